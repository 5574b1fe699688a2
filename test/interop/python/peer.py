"""
A framewire peer in Python, written from docs/wire.md.

  peer.py client URL VERSION    walks through everything a client does against a server of test.v1.TestService
  peer.py server tcp|ws         serves test.v1.TestService and the conformance service until standard input ends
  peer.py conform URL VERSION   a client that serves the conformance service, and comes again and again until standard input ends
  peer.py decode                reads streams from standard input and prints their frames

URL is tcp://host:port or ws://host:port. README.md in the folder above says what is printed.
"""

import asyncio
import sys

import conformance
from client import Client, PlainClient
from frames import Decoder
from server import ECHO, NOTE, COUNT, run_server, say
from session import Refused
from test.v1.test_service_pb2 import (
    CountRequest,
    CountResponse,
    EchoRequest,
    EchoResponse,
    NoteRequest,
    SampleRequest,
    SampleResponse,
)

SAMPLE = 262
INITIAL_CREDIT = 16_384


async def session_scenario(url):
    client = Client(url, INITIAL_CREDIT)
    await client.connect()
    session = client.session
    say(f"welcome verdict {client.verdicts[0]}")

    data = bytes(range(256))
    reply = await session.unary(ECHO, EchoRequest(text="Grüß dich, 世界", id=-(2**53) - 1, data=data), EchoResponse)
    say(f"echo {reply.text} {reply.id} {same(reply.data, data)}")

    try:
        await session.unary(ECHO, EchoRequest(text="refuse"), EchoResponse)
    except Refused as refused:
        say(f"refused {refused.status} {refused.message}")

    data = bytes(700_000)
    reply = await session.unary(ECHO, EchoRequest(data=data), EchoResponse)
    say(f"large {same(reply.data, data)}")

    numbers = [item.number async for item in session.stream(COUNT, CountRequest(count=300, padding=1000), CountResponse)]
    say(f"count {len(numbers)} sum {sum(numbers)} {same(numbers, sorted(numbers))}")

    reply = await session.unary(SAMPLE, SampleRequest(text="never sent again"), SampleResponse, reliable=False)
    say(f"sample {reply.text}")

    session.ping(b"are you there")
    say(f"pong {(await session.pongs.get()).decode()}")

    # The server hears nothing from us meanwhile and pings.
    await session.unary(ECHO, EchoRequest(text="wait", delay_ms=600), EchoResponse)
    say(f"answered pings {'yes' if session.pings_answered > 0 else 'no'}")

    for number in range(1, 21):
        session.send(cmd=NOTE, payload=NoteRequest(text=f"note {number}!").SerializeToString())
    reply = await session.unary(ECHO, EchoRequest(text="behind the notes"), EchoResponse)
    say(f"echo {reply.text}")

    reply = await session.unary(ECHO, EchoRequest(text="damage the reply"), EchoResponse)
    say(f"echo {reply.text}")
    say(f"asked again {'yes' if session.asked_again > 0 else 'no'}")

    # The server cuts the connection before it answers.
    reply = await session.unary(ECHO, EchoRequest(text="cut"), EchoResponse)
    say(f"echo {reply.text} verdicts {' '.join(map(str, client.verdicts))}")
    await client.close()
    say("closed")


async def plain_scenario(url):
    client = await PlainClient.connect(url)
    requests = [EchoRequest(text=text, id=-(2**53) - 1) for text in ("Grüß dich, 世界", "two", "three")]
    replies = await asyncio.gather(*(client.unary(ECHO, request, EchoResponse) for request in requests))
    for reply in replies:
        say(f"echo {reply.text} {reply.id}")
    data = bytes(700_000)
    reply = await client.unary(ECHO, EchoRequest(data=data), EchoResponse)
    say(f"large {same(reply.data, data)}")
    for number in range(1, 21):
        client.send(NOTE, NoteRequest(text=f"note {number}!"))
    reply = await client.unary(ECHO, EchoRequest(text="behind the notes"), EchoResponse)
    say(f"echo {reply.text}")
    await client.close()
    say("closed")


async def conform(url, version):
    life = asyncio.ensure_future(conformance.run_client(url, version))
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    life.cancel()


def same(a, b):
    return "same" if a == b else "DIFFERENT"


def decode():
    """One stream a line: chunk size (0 = whole), magic, minVersion, seed or -, maxPayload, maxTrailer, bytes in hex."""
    for line in sys.stdin:
        size, magic, min_version, seed, max_payload, max_trailer, *rest = line.split()
        stream = bytes.fromhex("".join(rest))
        size = int(size) or max(1, len(stream))
        decoder = Decoder(int(magic), int(min_version), None if seed == "-" else int(seed), int(max_payload), int(max_trailer))
        frames = [frame for at in range(0, len(stream), size) for frame in decoder.push(stream[at : at + size])]
        frames += decoder.push(b"", final=True)
        say(" ".join(f"{frame.version}:{frame.cmd}:{frame.payload.hex()}:{frame.raw.hex()}" for frame in frames))


if __name__ == "__main__":
    mode, *arguments = sys.argv[1:]
    if mode == "decode":
        decode()
    elif mode == "conform":
        asyncio.run(conform(arguments[0], int(arguments[1])))
    elif mode == "server":
        asyncio.run(run_server(arguments[0]))
    else:
        asyncio.run(plain_scenario(arguments[0]) if arguments[1] == "1" else session_scenario(arguments[0]))

"""The service that `framewire conformance` calls: proto/framewire/conformance/v1/conformance.proto."""

import asyncio

import websockets
from google.protobuf.message import DecodeError

from client import Client, open_link
from framewire.conformance.v1.conformance_pb2 import (
    CountRequest,
    CountResponse,
    DriveMethod,
    DriveRequest,
    DriveResponse,
    EchoRequest,
    EchoResponse,
    FailRequest,
    MarkRequest,
    MarksResponse,
    SleepRequest,
    SleepResponse,
    SumRequest,
    SumResponse,
)
from framewire.v1.data_frame_pb2 import FrameKind
from frames import Decoder, encode
from session import UNIMPLEMENTED, Refused

ECHO, COUNT, SUM, FAIL, SLEEP, MARK, MARKS, DRIVE = range(65281, 65289)
INITIAL_CREDIT = 16_384
INVALID_ARGUMENT, DEADLINE_EXCEEDED = 3, 4

marks = []


def take_mark(frame):
    if frame.cmd == MARK:
        marks.append(MarkRequest.FromString(frame.payload).number)


async def unary(cmd, payload):
    """The methods that version 1 can call as well."""
    if cmd == ECHO:
        return EchoResponse(data=EchoRequest.FromString(payload).data)
    if cmd == FAIL:
        request = FailRequest.FromString(payload)
        raise Refused(request.status, request.message)
    if cmd == SLEEP:
        request = SleepRequest.FromString(payload)
        await asyncio.sleep(request.sleep_ms / 1000)
        return SleepResponse(sleep_ms=request.sleep_ms)
    if cmd == MARKS:
        reply = MarksResponse(numbers=marks)
        marks.clear()
        return reply
    raise Refused(UNIMPLEMENTED, f"nobody serves {cmd}")


async def serve(session, call_id, call, frame):
    if frame.cmd == COUNT:
        request = CountRequest.FromString(frame.payload)
        for number in range(1, request.count + 1):
            await session.send_item(call_id, call, CountResponse(number=number, padding=bytes(request.padding)))
        return None
    if frame.cmd == SUM:
        total = 0
        while (item := await call.arrived.get()).kind == FrameKind.FRAME_KIND_ITEM:
            summand = SumRequest.FromString(item.payload)
            total += summand.number
            await asyncio.sleep(summand.pause_ms / 1000)
            session.give_credit(call_id, call, item)
        return SumResponse(sum=total)
    if frame.cmd == DRIVE:
        return await drive(session, DriveRequest.FromString(frame.payload))
    return await unary(frame.cmd, frame.payload)


async def answer_plain(link, frame):
    """Version 1: a reply with the command of the request, or none (6)."""
    take_mark(frame)
    try:
        reply = await unary(frame.cmd, frame.payload)
        link.send(encode(1, cmd=frame.cmd, payload=reply.SerializeToString()))
    except (Refused, DecodeError):
        pass


async def run_client(url, version):
    """A client that serves the kit, and begins anew whenever it was told not to come again."""
    while True:
        try:
            await (run_plain(url) if version == 1 else run_session(url))
        except (OSError, websockets.WebSocketException):
            pass
        await asyncio.sleep(0.02)


async def run_session(url):
    client = Client(url, INITIAL_CREDIT, serve, take_mark)
    await client.connect()
    await client.over()


async def run_plain(url):
    link, decoder = await open_link(url, 1), Decoder()
    while chunk := await link.receive():
        for frame in decoder.push(chunk, final=link.messages):
            await answer_plain(link, frame)


async def drive(session, request):
    """Calls the other end, which serves the same methods."""
    timeout = request.timeout_ms / 1000 or None
    try:
        if request.target == DriveMethod.DRIVE_METHOD_ECHO:
            reply = await session.unary(ECHO, EchoRequest(data=request.data), EchoResponse, timeout=timeout)
            return DriveResponse(data=reply.data)
        if request.target == DriveMethod.DRIVE_METHOD_COUNT:
            asked = CountRequest(count=request.count, padding=len(request.data))
            return DriveResponse(numbers=[item.number async for item in session.stream(COUNT, asked, CountResponse)])
        if request.target == DriveMethod.DRIVE_METHOD_SUM:
            items = (SumRequest(number=number, padding=request.data) for number in range(1, request.count + 1))
            reply = await session.upload(SUM, items, SumResponse)
            return DriveResponse(sum=reply.sum)
    except Refused as refused:
        return DriveResponse(status=refused.status, message=refused.message)
    except asyncio.TimeoutError:
        return DriveResponse(status=DEADLINE_EXCEEDED)
    raise Refused(INVALID_ARGUMENT, "no method was named")

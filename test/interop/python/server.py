"""A server of both versions, with the handlers of test.v1.TestService (docs/wire.md, sections 5 and 6)."""

import asyncio
import secrets
import sys
import time

import websockets
from google.protobuf.message import DecodeError

import conformance
from framewire.v1.data_frame_pb2 import FrameKind
from framewire.v1.session_pb2 import Goaway, Hello, PeerInfo, ResumeVerdict, Welcome
from frames import Decoder, encode
from session import DAMAGED, DEFAULT_CREDIT, LEAST_MAX_PAYLOAD, MAX_HELLO, MAX_MESSAGE, MAX_PAYLOAD, PROTOCOL_VIOLATION, REPLACED, TOO_LARGE, Refused, Session, TcpLink, WebSocketLink, first_frame
from test.v1.test_service_pb2 import CountRequest, CountResponse, EchoRequest, EchoResponse, NoteRequest, SumRequest, SumResponse

ECHO, COUNT, SUM, NOTE = 257, 258, 259, 261
RESUME_WINDOW, HEARTBEAT_INTERVAL, HEARTBEAT_TIMEOUT = 60, 0.2, 5
ATTEMPT_WINDOW = 60  # no hello is held up for longer
INITIAL_CREDIT = 4096
VERSION_UNSUPPORTED, HEARTBEAT_LOST, NOT_FOUND = 4403, 4502, 5


def say(text):
    print(text, flush=True)


async def echo(message):
    request = EchoRequest.FromString(message)
    if request.text == "refuse":
        raise Refused(NOT_FOUND, "there is no such echo")
    await asyncio.sleep(request.delay_ms / 1000)
    return EchoResponse(text=request.text, id=request.id, data=request.data)


def note(frame):
    conformance.take_mark(frame)
    if frame.cmd == NOTE:
        say(f"note {NoteRequest.FromString(frame.payload).text}")


async def serve(session, call_id, call, frame):
    """Answers the calls of a version 2 client."""
    if frame.cmd == ECHO:
        return await echo(frame.payload)
    if frame.cmd == COUNT:
        request = CountRequest.FromString(frame.payload)
        for number in range(1, request.count + 1):
            await session.send_item(call_id, call, CountResponse(number=number, padding=bytes(request.padding)))
        return None
    if frame.cmd == SUM:
        total = 0
        while (item := await call.arrived.get()).kind == FrameKind.FRAME_KIND_ITEM:
            total += SumRequest.FromString(item.payload).number
            session.give_credit(call_id, call, item)
        return SumResponse(sum=total)
    return await conformance.serve(session, call_id, call, frame)


class Kept:
    """A session that the server keeps, with or without a link."""

    def __init__(self):
        self.session = Session("server", serve, note, INITIAL_CREDIT)
        # One token for the session's whole life: a client that lost a welcome still has the right one.
        self.token = secrets.token_bytes(32)
        self.attempt = 0  # the highest that a hello carried, and when that came
        self.attempt_at = 0.0
        self.expiry = None


class Server:
    def __init__(self):
        self._sessions = {}  # token -> Kept

    async def serve_tcp(self, reader, writer):
        await self._serve(TcpLink(reader, writer))
        writer.close()

    async def serve_websocket(self, socket):
        await self._serve(WebSocketLink(socket))

    async def _serve(self, link):
        decoder = Decoder()
        frame = await first_frame(link, decoder)
        if frame is None:
            if decoder.discarded > 0:
                await self._refuse(link, DAMAGED, "the hello was damaged")
            return
        if link.version == 1 or (frame.version == 1 and link.version is None):
            await self._serve_plain(link, decoder, frame)
        elif frame.version > 1 and frame.fields().kind == FrameKind.FRAME_KIND_HELLO and decoder.discarded == 0:
            try:
                hello = Hello.FromString(frame.payload)
            except DecodeError:
                await self._refuse(link, PROTOCOL_VIOLATION, "the hello cannot be decoded")
                return
            await self._serve_session(link, decoder, hello, len(frame.payload))
        else:
            await self._refuse(link, PROTOCOL_VIOLATION, "the first frame is no hello")

    # --- Version 1 ---

    async def _serve_plain(self, link, decoder, frame):
        await self._answer_plain(link, frame)
        chunk = b""  # At first, what came in one piece with the first frame.
        while True:
            for frame in decoder.push(chunk, final=link.messages):
                await self._answer_plain(link, frame)
            if not (chunk := await link.receive()):
                return

    async def _answer_plain(self, link, frame):
        if frame.cmd == NOTE:
            note(frame)
        elif frame.cmd == ECHO:
            try:
                reply = await echo(frame.payload)
            except Refused:
                return  # Version 1 has no errors.
            link.send(encode(1, cmd=ECHO, payload=reply.SerializeToString()))
        else:
            await conformance.answer_plain(link, frame)

    # --- Version 2 ---

    async def _refuse(self, link, code, reason):
        """A goaway in place of the welcome, unseeded like it."""
        goaway = Goaway(reason=reason, close_code=code).SerializeToString()
        link.send(encode(2, cmd=0, payload=goaway, kind=FrameKind.FRAME_KIND_GOAWAY))
        await link.close(code, reason)

    async def _serve_session(self, link, decoder, hello, length):
        if length > MAX_HELLO:
            await self._refuse(link, TOO_LARGE, "the hello is longer than 65,536 bytes")
            return
        if hello.min_version > 2 or hello.max_version < 2:
            await self._refuse(link, VERSION_UNSUPPORTED, "this peer speaks version 2")
            return
        kept, verdict = self._find(hello)
        if kept is None:
            await self._refuse(link, REPLACED, "a later connection has the session")
            return
        session = kept.session
        # The newest connection has the session: from here on nothing that comes over an older one counts.
        await session.goodbye(REPLACED, "the session goes on over another connection")
        self._forget(kept)
        self._sessions[kept.token] = kept
        welcome = Welcome(
            version=2,
            checksum_seed=session.seed,
            limits=session.limits,
            peer=PeerInfo(name="interop", version="1", platform="python"),
            token=kept.token,
            resume_window_ms=RESUME_WINDOW * 1000,
            verdict=verdict,
            received=session.received,
            heartbeat_interval_ms=int(HEARTBEAT_INTERVAL * 1000),
            heartbeat_timeout_ms=HEARTBEAT_TIMEOUT * 1000,
        )
        link.send(encode(2, cmd=0, payload=welcome.SerializeToString(), kind=FrameKind.FRAME_KIND_WELCOME))
        say(f"session {ResumeVerdict.Name(verdict)[len('RESUME_VERDICT_'):].lower()}")
        decoder.seed, decoder.min_version = hello.checksum_seed, 2
        session.peer_credit = hello.limits.initial_credit or DEFAULT_CREDIT
        session.peer_max_calls = hello.limits.max_calls
        session.peer_max_payload = max(hello.limits.max_payload or MAX_PAYLOAD, LEAST_MAX_PAYLOAD)
        session.attach(link, hello.resume.received)
        heartbeat = asyncio.ensure_future(self._heartbeat(session))
        await session.run(link, decoder)
        heartbeat.cancel()
        if session.close_code == 1000:
            self._forget(kept)
        elif session.link is None:
            kept.expiry = asyncio.get_running_loop().call_later(RESUME_WINDOW, self._forget, kept)

    def _find(self, hello):
        """The session that the client wants to go on with, and the verdict on that wish (5.7); None if this hello comes too late."""
        if not hello.HasField("resume"):
            return Kept(), ResumeVerdict.RESUME_VERDICT_UNSPECIFIED
        kept = next((kept for token, kept in self._sessions.items() if secrets.compare_digest(token, hello.resume.token)), None)
        if kept is None:
            return Kept(), ResumeVerdict.RESUME_VERDICT_REJECTED
        session, resume = kept.session, hello.resume
        now = time.monotonic()
        if 0 < resume.attempt <= kept.attempt and now - kept.attempt_at <= ATTEMPT_WINDOW:
            return None, ResumeVerdict.RESUME_VERDICT_UNSPECIFIED
        # Numbers that cannot be, losses, and clients that started anew: a larger peer would tell the range with verdict 2.
        if resume.restarted or not session.oldest - 1 <= resume.received <= session.sent or not 1 <= resume.oldest <= session.received + 1:
            return Kept(), ResumeVerdict.RESUME_VERDICT_REJECTED
        kept.attempt, kept.attempt_at = resume.attempt, now
        return kept, ResumeVerdict.RESUME_VERDICT_RESUMED

    def _forget(self, kept):
        self._sessions.pop(kept.token, None)
        if kept.expiry is not None:
            kept.expiry.cancel()

    async def _heartbeat(self, session):
        """A ping after each silence; nothing at all for a while behind it ends the connection (5.8)."""
        pinged_at = None
        while True:
            heard = session.bytes_heard
            await asyncio.sleep(HEARTBEAT_INTERVAL)
            now = time.monotonic()
            if session.bytes_heard > heard:
                pinged_at = None
            elif pinged_at is None:
                session.ping(b"server")
                pinged_at = now
            elif now - pinged_at > HEARTBEAT_TIMEOUT:
                await session.goodbye(HEARTBEAT_LOST, "the client is silent")
            while not session.pongs.empty():
                session.pongs.get_nowait()
                say("pong")


async def run_server(transport):
    """Serves on any free port of 127.0.0.1 until standard input ends."""
    server = Server()
    if transport == "tcp":
        listener = await asyncio.start_server(server.serve_tcp, "127.0.0.1", 0)
    else:
        subprotocols = ["framewire.v2", "framewire.v1"]
        listener = await websockets.serve(server.serve_websocket, "127.0.0.1", 0, subprotocols=subprotocols, ping_interval=None, max_size=MAX_MESSAGE)
    say(f"listening {listener.sockets[0].getsockname()[1]}")
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)

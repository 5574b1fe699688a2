"""A client of each version (docs/wire.md, sections 5.2, 5.7 and 6)."""

import asyncio
import secrets
from urllib.parse import urlsplit

import websockets
from google.protobuf.message import DecodeError

from framewire.v1.data_frame_pb2 import FrameKind
from framewire.v1.session_pb2 import Goaway, Hello, PeerInfo, ResumeRequest, ResumeVerdict, Welcome
from frames import Decoder, encode
from session import DEFAULT_CREDIT, LEAST_MAX_PAYLOAD, MAX_MESSAGE, MAX_PAYLOAD, PROTOCOL_VIOLATION, Session, TcpLink, WebSocketLink, first_frame

FIRST_RETRY, LAST_RETRY = 0.05, 5  # seconds; an app would start at 1 s and add jitter


async def open_link(url, version):
    address = urlsplit(url)
    if address.scheme == "tcp":
        return TcpLink(*await asyncio.open_connection(address.hostname, address.port))
    # Heartbeats are framewire's own, so the library's are switched off.
    return WebSocketLink(await websockets.connect(url, subprotocols=[f"framewire.v{version}"], ping_interval=None, max_size=MAX_MESSAGE))


class Client:
    """Version 2: connects, and after a cut connects again and resumes, until `close`."""

    def __init__(self, url, initial_credit, serve=None, note=None):
        self.session = Session("client", serve, note, initial_credit)
        self.verdicts = []  # of each welcome
        self._url = url
        self._token = b""
        self._attempt = 0  # tells a hello that was held up in the network from the newest
        self._life = None
        self._closing = False

    async def connect(self):
        link, decoder = await self._handshake()
        self._life = asyncio.ensure_future(self._live(link, decoder))

    async def over(self):
        """Waits until the server has said not to come again."""
        await self._life

    async def close(self):
        """Leaves for good: the server forgets the session."""
        self._closing = True
        await self.session.goodbye()
        await self._life

    async def _handshake(self):
        session = self.session
        if not self._token:
            session.seed = secrets.randbits(32)  # a new session has a new one; a session that may go on keeps it
        hello = Hello(
            min_version=2,
            max_version=2,
            checksum_seed=session.seed,
            limits=session.limits,
            peer=PeerInfo(name="interop", version="1", platform="python"),
        )
        if self._token:
            self._attempt += 1
            resume = ResumeRequest(token=self._token, received=session.received, oldest=session.oldest, attempt=self._attempt)
            hello.resume.CopyFrom(resume)
        link = await open_link(self._url, 2)
        # Hello and welcome have no seed.
        link.send(encode(2, cmd=0, payload=hello.SerializeToString(), kind=FrameKind.FRAME_KIND_HELLO))
        decoder = Decoder(min_version=2)
        frame = await first_frame(link, decoder)
        if frame is None or frame.fields().kind != FrameKind.FRAME_KIND_WELCOME:
            if frame is not None and frame.fields().kind == FrameKind.FRAME_KIND_GOAWAY:
                session.close_code = Goaway.FromString(frame.payload).close_code
            session.close_code = link.close_code or session.close_code
            await link.close()
            raise ConnectionError(f"no welcome, close code {session.close_code}")
        try:
            welcome = Welcome.FromString(frame.payload)
        except DecodeError:
            session.close_code = PROTOCOL_VIOLATION
            await link.close(PROTOCOL_VIOLATION, "the welcome cannot be decoded")
            raise ConnectionError("the welcome cannot be decoded") from None
        decoder.seed = welcome.checksum_seed
        self._token = welcome.token
        self.verdicts.append(welcome.verdict)
        if welcome.verdict == ResumeVerdict.RESUME_VERDICT_GAP:
            # What the server lost for us will not come; what it lost of ours it has told its own application.
            session.received = max(session.received, welcome.to_client.to)
        elif welcome.verdict != ResumeVerdict.RESUME_VERDICT_RESUMED:
            session.start_afresh()
        session.peer_credit = welcome.limits.initial_credit or DEFAULT_CREDIT
        session.peer_max_calls = welcome.limits.max_calls
        session.peer_max_payload = max(welcome.limits.max_payload or MAX_PAYLOAD, LEAST_MAX_PAYLOAD)
        session.attach(link, welcome.received)
        return link, decoder

    async def _live(self, link, decoder):
        while True:
            await self.session.run(link, decoder)
            if self._closing or self.session.final:
                return
            delay = FIRST_RETRY
            while True:
                await asyncio.sleep(delay)
                try:
                    link, decoder = await self._handshake()
                    break
                except (OSError, websockets.WebSocketException):
                    if self.session.final:
                        raise
                    delay = min(delay * 2, LAST_RETRY)


class PlainClient:
    """Version 1: no session. A reply has its request's cmd; replies of one cmd come in the order of the requests."""

    def __init__(self, link):
        self._link = link
        self._waiting = {}
        self._life = asyncio.ensure_future(self._live())

    @staticmethod
    async def connect(url):
        return PlainClient(await open_link(url, 1))

    def send(self, cmd, message):
        self._link.send(encode(1, cmd=cmd, payload=message.SerializeToString()))

    async def unary(self, cmd, message, reply, timeout=20):
        arrived = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(cmd, []).append(arrived)
        self.send(cmd, message)
        return reply.FromString(await asyncio.wait_for(arrived, timeout))

    async def close(self):
        await self._link.close()
        await self._life

    async def _live(self):
        decoder = Decoder()
        while chunk := await self._link.receive():
            for frame in decoder.push(chunk, final=self._link.messages):
                if self._waiting.get(frame.cmd):
                    self._waiting[frame.cmd].pop(0).set_result(frame.payload)

"""A version 2 session, the same for both ends (docs/wire.md, section 5), and the two kinds of link it runs over."""

import asyncio
import collections
import secrets

import websockets
from google.protobuf.message import DecodeError

from framewire.v1.data_frame_pb2 import DataFrame, FrameKind
from framewire.v1.session_pb2 import Credit, Goaway, Limits
from frames import encode

VERSION = 2
MAX_SEQUENCE = 2**53 - 1
MAX_PAYLOAD = 1 << 20  # what `max_payload` means when it is 0, and what we take
LEAST_MAX_PAYLOAD = 1 << 10  # what a told `max_payload` is at least (5.2)
MAX_HELLO = 1 << 16
MAX_MESSAGE = 2 * MAX_PAYLOAD  # of the WebSocket library: what is above MAX_PAYLOAD is ours to refuse
MAX_CALLS = 64
DEFAULT_CREDIT = 262_144  # what `initial_credit` means when it is 0 (5.2)
KIND = 10  # the number of the field `kind`
ITEM_COST = 64  # what an item costs beside its payload (5.5)
ACK_DELAY = 0.02
ASK_AGAIN = 0.3
LINGER = 1.0  # how long what still arrives is read behind a goaway
TOO_LARGE, PROTOCOL_VIOLATION, REPLACED, DAMAGED, CANNOT_RESEND = 4401, 4402, 4405, 4504, 4510
INVALID_ARGUMENT, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, UNIMPLEMENTED, DATA_LOSS = 3, 4, 8, 12, 15


class TcpLink:
    """One stream of bytes each way."""

    messages = False
    close_code = None
    version = None  # not negotiated: the first frame decides

    def __init__(self, reader, writer):
        self._reader, self._writer = reader, writer

    def send(self, frame):
        self._writer.write(frame)

    async def receive(self):
        """Some bytes; none at the end."""
        try:
            return await self._reader.read(65_536)
        except ConnectionError:
            return b""

    async def close(self, code=1000, reason=""):
        # TCP has no close codes: they travel in a goaway, written before this (5.9). What still arrives is read: a socket
        # that is closed over bytes nobody has read is reset, and takes the goaway with it.
        try:
            self._writer.write_eof()
            await asyncio.wait_for(self._read_on(), LINGER)
        except (OSError, RuntimeError, asyncio.TimeoutError):
            pass  # the connection is gone, somebody else reads, or the peer goes on for too long
        self._writer.close()

    async def _read_on(self):
        while await self._reader.read(65_536):
            pass


class WebSocketLink:
    """One frame in one binary message: this peer does not announce `batching`."""

    messages = True

    def __init__(self, socket):
        self._socket = socket
        self._outbox = asyncio.Queue()
        self._sender = asyncio.ensure_future(self._send_all())
        self.version = {"framewire.v1": 1, "framewire.v2": 2}.get(socket.subprotocol)

    def send(self, frame):
        self._outbox.put_nowait(frame)

    async def receive(self):
        try:
            return await self._socket.recv()
        except websockets.ConnectionClosed:
            return b""

    @property
    def close_code(self):
        return self._socket.close_code

    async def close(self, code=1000, reason=""):
        self._outbox.put_nowait(None)
        await self._sender
        await self._socket.close(code, reason)

    async def _send_all(self):
        try:
            while (frame := await self._outbox.get()) is not None:
                await self._socket.send(frame)
        except websockets.ConnectionClosed:
            pass


class Refused(Exception):
    """A call that ended with another status than 0."""

    def __init__(self, status, message):
        super().__init__(f"status {status}: {message}")
        self.status, self.message = status, message


class Fatal(Exception):
    """What closes the connection, with its close code (5.9)."""

    def __init__(self, code, text):
        super().__init__(text)
        self.code = code


class Call:
    """One call in flight, on either side: what came for it, and the credit to send items with."""

    def __init__(self, cmd, credit, credit_given):
        self.cmd = cmd
        self.credit_given = credit_given  # what the peer may still send
        self.arrived = asyncio.Queue()  # DataFrames: items, end, response
        self.credit = credit
        self.more_credit = asyncio.Event()


class Session:
    """
    What both ends share: sequences, acks, sending again, calls, credit, ping and pong.

    `serve(call, frame)` is a coroutine that answers a request; `note(frame)` takes one-way messages.
    """

    def __init__(self, role, serve=None, note=None, initial_credit=DEFAULT_CREDIT):
        self.seed = secrets.randbits(32)
        self.initial_credit = initial_credit  # what we let the peer send in each call
        self.peer_credit = DEFAULT_CREDIT  # what the peer lets us send
        self.peer_max_payload = MAX_PAYLOAD
        self.peer_max_calls = 0  # how many of our calls the peer takes at once; 0: it told no limit
        self.received = 0
        self.asked_again = 0  # times
        self.pings_answered = 0
        self.pongs = asyncio.Queue()
        self.bytes_heard = 0
        self.close_code = 0  # why the last connection was closed, as far as anybody said so
        self._sent = 0
        self._kept = collections.deque(maxlen=4096)  # (sequence, fields) that the peer has not acknowledged
        self._calls = {}
        self._next_call = 1 if role == "client" else 2
        self._serve, self._note = serve, note
        self._tasks = set()
        self._link = None
        self._ack_timer = self._ask_timer = None

    # --- The link ---

    @property
    def final(self):
        """The last connection was closed in a way that says not to try again (5.9)."""
        return 4000 <= self.close_code < 4500

    @property
    def link(self):
        return self._link

    @property
    def sent(self):
        return self._sent

    @property
    def limits(self):
        return Limits(max_payload=1 << 20, max_calls=64, initial_credit=self.initial_credit)

    @property
    def oldest(self):
        """The lowest sequence that can still be sent again."""
        return self._kept[0][0] if self._kept else self._sent + 1

    def attach(self, link, peer_received):
        """Goes on over `link`, once hello and welcome are exchanged: first what the peer has not got, then what is new (5.7)."""
        self._link = link
        self.close_code = 0
        self._acknowledged(peer_received)
        for _, fields in self._kept:
            self._write(**fields)

    def start_afresh(self):
        """The peer knows nothing of this session (verdict 0 or 3): all counts start again and calls in flight fail."""
        self.received = self._sent = 0
        self._kept.clear()
        for call in self._calls.values():
            call.arrived.put_nowait(DataFrame(kind=FrameKind.FRAME_KIND_RESPONSE, status=14))
        self._calls.clear()

    async def run(self, link, decoder):
        """Handles what comes over `link` until it ends. `decoder` has the seed of the peer."""
        chunk = b""  # At first, what came in one piece with the hello or welcome.
        try:
            while True:
                discarded = decoder.discarded
                for frame in decoder.push(chunk, final=link.messages):
                    try:
                        self._handle(fields_of(frame))
                    except DecodeError:
                        raise Fatal(PROTOCOL_VIOLATION, "a control message that cannot be decoded") from None
                if decoder.too_large:
                    raise Fatal(TOO_LARGE, "a frame is larger than this peer takes")
                if decoder.discarded > discarded:
                    self._ask_again()
                chunk = await link.receive()
                if not chunk:
                    self.close_code = link.close_code or self.close_code
                    return
                if self._link is not link:
                    return
                self.bytes_heard += len(chunk)
        except Fatal as reason:
            self.close_code = reason.code
            await self.goodbye(reason.code, str(reason))
        finally:
            self.detach(link)

    def detach(self, link):
        if self._link is link:
            self._link = None
            for timer in (self._ack_timer, self._ask_timer):
                if timer is not None:
                    timer.cancel()
            self._ack_timer = self._ask_timer = None

    async def goodbye(self, code=1000, reason=""):
        """Says why, then closes (5.9). Code 1000 ends the session; on WebSocket the code is in the close frame as well."""
        link, self._link = self._link, None
        if link is not None:
            goaway = Goaway(reason=reason, close_code=code).SerializeToString()
            link.send(encode(VERSION, self.seed, cmd=0, payload=goaway, kind=FrameKind.FRAME_KIND_GOAWAY))
            await link.close(code, reason)

    # --- Sending ---

    def send(self, reliable=True, **fields):
        """A frame of the kinds 0 to 6. A reliable one is kept until the peer acknowledges it, whether there is a link or not."""
        if reliable:
            self._sent += 1
            fields["sequence"] = self._sent
            self._kept.append((self._sent, fields))
        self._write(**fields)

    def ping(self, payload):
        self._write(cmd=0, payload=payload, kind=FrameKind.FRAME_KIND_PING)

    def _write(self, **fields):
        if self._link is None:
            return
        if self.received > 0:
            fields["ack"] = self.received  # rides on whatever goes back
            self._stop_ack_timer()
        self._link.send(encode(VERSION, self.seed, **fields))

    # --- Receiving ---

    def _handle(self, frame):
        if frame.HasField("ack"):
            if frame.ack > self._sent:
                raise Fatal(PROTOCOL_VIOLATION, "an ack for what was never sent")
            self._acknowledged(frame.ack)
        if frame.sequence > 0 and not self._in_order(frame.sequence):
            return
        if any(field.field_number == KIND for field in frame.UnknownFields()):
            return  # a kind from the future: enums of proto2 are closed, and the frame looks like a message (5.3)
        kind = frame.kind
        if kind == FrameKind.FRAME_KIND_PING:
            self.pings_answered += 1
            self._write(cmd=0, payload=frame.payload, kind=FrameKind.FRAME_KIND_PONG)
        elif kind == FrameKind.FRAME_KIND_PONG:
            self.pongs.put_nowait(frame.payload)
        elif kind == FrameKind.FRAME_KIND_ACK:
            if frame.status == DATA_LOSS:
                self._send_again(frame.ack)
        elif kind == FrameKind.FRAME_KIND_REQUEST:
            self._open(frame)
        elif kind == FrameKind.FRAME_KIND_MESSAGE:
            if self._note is not None:
                self._note(frame)
        elif kind == FrameKind.FRAME_KIND_CREDIT:
            if (call := self._calls.get(frame.call_id)) is not None:
                call.credit += Credit.FromString(frame.payload).bytes
                call.more_credit.set()
        elif kind in (FrameKind.FRAME_KIND_RESPONSE, FrameKind.FRAME_KIND_ITEM, FrameKind.FRAME_KIND_END):
            # A frame for a call that is over is ignored.
            if (call := self._calls.get(frame.call_id)) is not None:
                if kind == FrameKind.FRAME_KIND_ITEM:
                    if call.credit_given <= 0:
                        raise Fatal(PROTOCOL_VIOLATION, "an item without credit")
                    call.credit_given -= len(frame.payload) + ITEM_COST
                call.arrived.put_nowait(frame)
        elif kind == FrameKind.FRAME_KIND_CANCEL:
            self._calls.pop(frame.call_id, None)
        elif kind == FrameKind.FRAME_KIND_GOAWAY:
            self.close_code = Goaway.FromString(frame.payload).close_code
        elif kind in (FrameKind.FRAME_KIND_HELLO, FrameKind.FRAME_KIND_WELCOME):
            raise Fatal(PROTOCOL_VIOLATION, "a second hello or welcome")

    def _in_order(self, sequence):
        if sequence > MAX_SEQUENCE:
            raise Fatal(PROTOCOL_VIOLATION, "a sequence that is too large")
        if sequence <= self.received:
            return False  # a repetition
        if sequence > self.received + 1:
            self._ask_again()
            return False
        self.received = sequence
        if self._ack_timer is None:
            self._ack_timer = asyncio.get_running_loop().call_later(ACK_DELAY, self._ack)
        return True

    def _ack(self):
        self._ack_timer = None
        self._write(cmd=0, kind=FrameKind.FRAME_KIND_ACK)

    def _stop_ack_timer(self):
        if self._ack_timer is not None:
            self._ack_timer.cancel()
            self._ack_timer = None

    def _ask_again(self):
        """Asks for everything behind `received`: once now, and again after a while if nothing new came (5.6)."""
        if self._ask_timer is not None or self._link is None:
            return
        self.asked_again += 1
        fields = {} if self.received else {"ack": 0}
        self._write(cmd=0, kind=FrameKind.FRAME_KIND_ACK, status=DATA_LOSS, **fields)
        self._ask_timer = asyncio.get_running_loop().call_later(ASK_AGAIN, self._still_missing, self.received)

    def _still_missing(self, received):
        self._ask_timer = None
        if self.received == received:
            self._ask_again()

    def _acknowledged(self, sequence):
        while self._kept and self._kept[0][0] <= sequence:
            self._kept.popleft()

    def _send_again(self, ack):
        if self.oldest > ack + 1:
            raise Fatal(CANNOT_RESEND, "what is asked for is no longer kept")
        for _, fields in self._kept:
            self._write(**fields)

    # --- Calls that we open ---

    def open(self, cmd, message=None, reliable=True, timeout=None):
        """Sends a request, without a message if the call streams them."""
        call_id = self._next_call
        in_flight = sum(each % 2 == call_id % 2 for each in self._calls)
        if 0 < self.peer_max_calls <= in_flight:
            raise Refused(RESOURCE_EXHAUSTED, f"the peer takes {self.peer_max_calls} calls at once")
        self._next_call += 2
        call = self._calls[call_id] = Call(cmd, self.peer_credit, self.initial_credit)
        fields = {} if timeout is None else {"timeout_ms": max(1, int(timeout * 1000))}
        if message is not None:
            fields["payload"] = message.SerializeToString()
        self.send(reliable, cmd=cmd, call_id=call_id, kind=FrameKind.FRAME_KIND_REQUEST, **fields)
        return call_id, call

    async def unary(self, cmd, message, reply, reliable=True, timeout=20):
        """Calls and waits for the one reply."""
        call_id, call = self.open(cmd, message, reliable, timeout)
        try:
            response = await asyncio.wait_for(call.arrived.get(), timeout)
        except asyncio.TimeoutError:
            self.send(cmd=cmd, call_id=call_id, kind=FrameKind.FRAME_KIND_CANCEL)
            raise
        finally:
            self._calls.pop(call_id, None)
        if response.status != 0:
            raise Refused(response.status, response.ext.message)
        return reply.FromString(response.payload)

    async def stream(self, cmd, message, item):
        """Calls and yields the items; gives credit for each as it is consumed."""
        call_id, call = self.open(cmd, message)
        while (frame := await call.arrived.get()).kind == FrameKind.FRAME_KIND_ITEM:
            try:
                message = item.FromString(frame.payload)
            except DecodeError:
                self._calls.pop(call_id, None)
                self.send(cmd=cmd, call_id=call_id, kind=FrameKind.FRAME_KIND_CANCEL)
                raise
            yield message
            self.give_credit(call_id, call, frame)
        self._calls.pop(call_id, None)
        if frame.status != 0:
            raise Refused(frame.status, frame.ext.message)

    async def upload(self, cmd, messages, reply):
        """Calls, streams the messages as the peer gives credit, and waits for the one reply."""
        call_id, call = self.open(cmd)
        for message in messages:
            await self.send_item(call_id, call, message)
        self.send(cmd=cmd, call_id=call_id, kind=FrameKind.FRAME_KIND_END)
        response = await call.arrived.get()
        self._calls.pop(call_id, None)
        if response.status != 0:
            raise Refused(response.status, response.ext.message)
        return reply.FromString(response.payload)

    def give_credit(self, call_id, call, item):
        consumed = len(item.payload) + ITEM_COST
        call.credit_given += consumed
        self.send(cmd=call.cmd, payload=Credit(bytes=consumed).SerializeToString(), call_id=call_id, kind=FrameKind.FRAME_KIND_CREDIT)

    # --- Calls that the peer opens ---

    def _open(self, frame):
        ours = self._next_call % 2
        if frame.call_id == 0 or frame.call_id % 2 == ours or frame.call_id in self._calls:
            raise Fatal(PROTOCOL_VIOLATION, f"call {frame.call_id} cannot be opened by the peer now")
        too_many = sum(each % 2 != ours for each in self._calls) >= MAX_CALLS
        call = self._calls[frame.call_id] = Call(frame.cmd, self.peer_credit, self.initial_credit)
        task = asyncio.ensure_future(self._answer(call, frame, too_many))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, call, frame, too_many):
        end = {}
        try:
            if self._serve is None:
                raise Refused(UNIMPLEMENTED, "this peer serves nothing")
            if too_many:
                raise Refused(RESOURCE_EXHAUSTED, f"more than {MAX_CALLS} calls at once")
            reply = await asyncio.wait_for(self._serve(self, frame.call_id, call, frame), frame.timeout_ms / 1000 or None)
            if reply is not None:
                end["payload"] = reply.SerializeToString()
                if len(end["payload"]) > self.peer_max_payload:
                    del end["payload"]
                    raise Refused(RESOURCE_EXHAUSTED, "the reply is larger than the caller takes")
        except asyncio.TimeoutError:
            end["status"] = DEADLINE_EXCEEDED
        except Refused as refused:
            end["status"] = refused.status
            end["ext"] = {"message": refused.message}
        except DecodeError:
            end["status"] = INVALID_ARGUMENT
        # After a cancel nothing more is sent for the call.
        if self._calls.pop(frame.call_id, None) is not None:
            self.send(cmd=frame.cmd, call_id=frame.call_id, kind=FrameKind.FRAME_KIND_RESPONSE, **end)

    async def send_item(self, call_id, call, message):
        """Sends one element of a stream when there is credit for it."""
        payload = message.SerializeToString()
        while call.credit <= 0:
            call.more_credit.clear()
            await call.more_credit.wait()
        call.credit -= len(payload) + ITEM_COST
        if call_id in self._calls:
            self.send(cmd=call.cmd, payload=payload, call_id=call_id, kind=FrameKind.FRAME_KIND_ITEM)


def fields_of(frame):
    try:
        return frame.fields()
    except DecodeError:
        raise Fatal(PROTOCOL_VIOLATION, "a frame that no protobuf library can read") from None


async def first_frame(link, decoder):
    """The first frame that arrives; None if the link ends before. The decoder keeps the bytes behind it."""
    while chunk := await link.receive():
        for frame in decoder.push(chunk, final=link.messages):
            return frame
        if decoder.discarded > 0:
            return None
    return None

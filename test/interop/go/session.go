package main

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	fw "interop/framewirev1"

	"google.golang.org/protobuf/proto"
)

const (
	sessionVersion = 2
	defaultCredit  = 262_144 // what initial_credit means when it is 0 (5.2)
	itemCost       = 64      // what an item costs beside its payload (5.5)
	keptFrames     = 4096
	maxCalls       = 64
	maxSequence    = 1<<53 - 1
	ackDelay       = 20 * time.Millisecond
	askAgainAfter  = 300 * time.Millisecond

	closeNormal           = 1000
	closeTooLarge         = 4401
	closeViolation        = 4402
	closeVersion          = 4403
	closeReplaced         = 4405
	closeHeartbeat        = 4502
	closeDamaged          = 4504
	closeResendImpossible = 4510
	statusInvalidArgument = 3
	statusDeadline        = 4
	statusNotFound        = 5
	statusExhausted       = 8
	statusUnimplemented   = 12
	statusUnavailable     = 14
	statusDataLoss        = 15
)

// Refused is how a call ends with another status than 0.
type Refused struct {
	Status  int32
	Message string
}

func (r *Refused) Error() string { return fmt.Sprintf("status %d: %s", r.Status, r.Message) }

// fatal closes the connection with its close code (5.9).
type fatal struct {
	code int
	text string
}

func (f *fatal) Error() string { return f.text }

// Call is one call in flight, on either side.
type Call struct {
	session *Session
	id      uint32
	cmd     int32
	arrived []*fw.DataFrame // items, end, response
	credit  int64           // what we may still send, in bytes
	given   int64           // what the peer may still send
	over    bool
}

// Handler answers a request, in a goroutine of its own. A nil message: the reply is the items that it sent.
type Handler func(call *Call, request []byte) (proto.Message, error)

// Session is what both ends share: sequences, acks, sending again, calls, credit, ping and pong (section 5).
type Session struct {
	Seed          uint32
	InitialCredit uint32 // what we let the peer send in each call
	AskedAgain    int
	PingsAnswered int
	OnPong        func(payload []byte)
	OnNote        func(frame *fw.DataFrame)
	Serve Handler

	mutex      sync.Mutex // guards everything below and the calls
	changed    *sync.Cond // something arrived for a call, or credit
	link       Link
	closeCode  int // why the last connection was closed, as far as anybody said so
	bytesHeard int
	peerCredit int64
	peerCalls  int // how many of our calls the peer takes at once; 0: it told no limit
	peerLimit  int // the largest payload that the peer takes
	received   uint64
	sent       uint64
	kept       []*fw.DataFrame // what the peer has not acknowledged
	calls      map[uint32]*Call
	nextCall   uint32
	ackTimer   *time.Timer
	askTimer   *time.Timer
}

func newSeed() uint32 {
	seed := make([]byte, 4)
	if _, err := rand.Read(seed); err != nil {
		panic(err)
	}
	return binary.LittleEndian.Uint32(seed)
}

// NewSession: firstCall is 1 on a client and 2 on a server (5.4).
func NewSession(firstCall uint32, initialCredit uint32) *Session {
	s := &Session{
		Seed:          newSeed(),
		InitialCredit: initialCredit,
		peerCredit:    defaultCredit,
		peerLimit:     defaultMaxPayload,
		calls:         map[uint32]*Call{},
		nextCall:      firstCall,
	}
	s.changed = sync.NewCond(&s.mutex)
	return s
}

func (s *Session) limits() *fw.Limits {
	return &fw.Limits{MaxPayload: defaultMaxPayload, MaxCalls: maxCalls, InitialCredit: s.InitialCredit}
}

// oldest is the lowest sequence that can still be sent again.
func (s *Session) oldest() uint64 {
	if len(s.kept) > 0 {
		return s.kept[0].GetSequence()
	}
	return s.sent + 1
}

// final: the last connection was closed in a way that says not to try again (5.9).
func (s *Session) final() bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.closeCode >= 4000 && s.closeCode < 4500
}

// attach goes on over link, once hello and welcome are exchanged: first what the peer has not got, then what is new (5.7).
func (s *Session) attach(link Link, peerReceived uint64, limits *fw.Limits) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.link = link
	s.closeCode = 0
	s.peerCredit = defaultCredit
	if credit := limits.GetInitialCredit(); credit > 0 {
		s.peerCredit = int64(credit)
	}
	s.peerCalls = int(limits.GetMaxCalls())
	s.peerLimit = defaultMaxPayload
	if limit := limits.GetMaxPayload(); limit > 0 {
		s.peerLimit = int(limit)
	}
	if s.peerLimit < leastMaxPayload {
		s.peerLimit = leastMaxPayload
	}
	s.acknowledged(peerReceived)
	for _, frame := range s.kept {
		s.write(frame)
	}
}

// startAfresh: the peer knows nothing of this session (verdict 0 or 3).
func (s *Session) startAfresh() {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.received, s.sent, s.kept = 0, 0, nil
	for id, call := range s.calls {
		call.arrived = append(call.arrived, &fw.DataFrame{
			Kind:   fw.FrameKind_FRAME_KIND_RESPONSE.Enum(),
			Status: proto.Int32(statusUnavailable),
		})
		delete(s.calls, id)
	}
	s.changed.Broadcast()
}

// Run handles what comes over link until it ends. The decoder has the seed of the peer.
func (s *Session) Run(link Link, decoder *Decoder) {
	defer s.detach(link)
	var chunk []byte // At first, what came in one piece with the hello or welcome.
	for {
		if err := s.take(link, decoder, chunk); err != nil {
			s.Goodbye(err.code, err.text)
			s.mutex.Lock()
			s.closeCode = err.code
			s.mutex.Unlock()
			return
		}
		next, err := link.Receive()
		if err != nil {
			s.mutex.Lock()
			if s.link == link && link.CloseCode() != 0 {
				s.closeCode = link.CloseCode()
			}
			s.mutex.Unlock()
			return
		}
		chunk = next
	}
}

func (s *Session) take(link Link, decoder *Decoder, chunk []byte) *fatal {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.link != link {
		return nil // Another connection goes on with this session: what still comes here is ignored.
	}
	s.bytesHeard += len(chunk)
	discarded := decoder.Discarded
	decoder.Push(chunk)
	for frame := decoder.Next(link.Messages()); frame != nil; frame = decoder.Next(link.Messages()) {
		fields, err := frame.Fields()
		if err != nil {
			return &fatal{closeViolation, "a frame that no protobuf library can read"}
		}
		if err := s.handle(fields); err != nil {
			return err
		}
	}
	if decoder.TooLarge {
		return &fatal{closeTooLarge, "a frame is larger than this peer takes"}
	}
	if decoder.Discarded > discarded {
		s.askAgain()
	}
	return nil
}

func (s *Session) detach(link Link) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.link == link {
		s.link = nil
		s.stopTimers()
	}
}

// Goodbye says why, then closes (5.9). Code 1000 ends the session; on WebSocket the code is in the close frame as well.
func (s *Session) Goodbye(code int, reason string) {
	s.mutex.Lock()
	link := s.link
	s.link = nil
	s.stopTimers()
	s.mutex.Unlock()
	if link == nil {
		return
	}
	link.Send(control(&s.Seed, fw.FrameKind_FRAME_KIND_GOAWAY, &fw.Goaway{Reason: reason, CloseCode: uint32(code)}))
	link.Close(code, reason)
}

// control is a frame of cmd 0 with this message.
func control(seed *uint32, kind fw.FrameKind, message proto.Message) []byte {
	return Encode(sessionVersion, seed, &fw.DataFrame{Kind: kind.Enum(), Payload: marshal(message)})
}

func marshal(message proto.Message) []byte {
	payload, err := proto.Marshal(message)
	if err != nil {
		panic(err)
	}
	return payload
}

// --- Sending. The mutex is held. ---

// send writes a frame of the kinds 0 to 6. A reliable one is kept until the peer acknowledges it, whether there is a link or not.
func (s *Session) send(frame *fw.DataFrame, reliable bool) {
	if reliable {
		s.sent++
		frame.Sequence = proto.Uint64(s.sent)
		s.kept = append(s.kept, frame)
		if len(s.kept) > keptFrames {
			s.kept = s.kept[1:]
		}
	}
	s.write(frame)
}

func (s *Session) write(frame *fw.DataFrame) {
	if s.link == nil {
		return
	}
	if s.received > 0 {
		frame.Ack = proto.Uint64(s.received) // rides on whatever goes back
		if s.ackTimer != nil {
			s.ackTimer.Stop()
			s.ackTimer = nil
		}
	}
	s.link.Send(Encode(sessionVersion, &s.Seed, frame))
}

// Note sends a one-way message.
func (s *Session) Note(cmd int32, message proto.Message) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.send(&fw.DataFrame{Cmd: proto.Int32(cmd), Payload: marshal(message)}, true)
}

func (s *Session) Ping(payload []byte) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.write(&fw.DataFrame{Kind: fw.FrameKind_FRAME_KIND_PING.Enum(), Payload: payload})
}

// --- Receiving. The mutex is held. ---

func (s *Session) handle(frame *fw.DataFrame) *fatal {
	if frame.Ack != nil {
		if frame.GetAck() > s.sent {
			return &fatal{closeViolation, "an ack for what was never sent"}
		}
		s.acknowledged(frame.GetAck())
	}
	if frame.GetSequence() > maxSequence {
		return &fatal{closeViolation, "a sequence that is too large"}
	}
	if sequence := frame.GetSequence(); sequence > 0 && !s.inOrder(sequence) {
		return nil
	}
	call := s.calls[frame.GetCallId()]
	switch frame.GetKind() {
	case fw.FrameKind_FRAME_KIND_PING:
		s.PingsAnswered++
		s.write(&fw.DataFrame{Kind: fw.FrameKind_FRAME_KIND_PONG.Enum(), Payload: frame.Payload})
	case fw.FrameKind_FRAME_KIND_PONG:
		if s.OnPong != nil {
			s.OnPong(frame.Payload)
		}
	case fw.FrameKind_FRAME_KIND_ACK:
		if frame.GetStatus() == statusDataLoss {
			return s.sendAgain(frame.GetAck())
		}
	case fw.FrameKind_FRAME_KIND_REQUEST:
		return s.open(frame)
	case fw.FrameKind_FRAME_KIND_MESSAGE:
		if s.OnNote != nil {
			s.OnNote(frame)
		}
	case fw.FrameKind_FRAME_KIND_CREDIT:
		credit := &fw.Credit{}
		if proto.Unmarshal(frame.Payload, credit) != nil {
			return &fatal{closeViolation, "a credit that cannot be read"}
		}
		if call != nil {
			call.credit += int64(credit.Bytes)
			s.changed.Broadcast()
		}
	case fw.FrameKind_FRAME_KIND_RESPONSE, fw.FrameKind_FRAME_KIND_ITEM, fw.FrameKind_FRAME_KIND_END:
		// A frame for a call that is over is ignored.
		if call != nil {
			if frame.GetKind() == fw.FrameKind_FRAME_KIND_ITEM {
				if call.given <= 0 {
					return &fatal{closeViolation, "an item without credit"}
				}
				call.given -= int64(len(frame.Payload) + itemCost)
			}
			call.arrived = append(call.arrived, frame)
			s.changed.Broadcast()
		}
	case fw.FrameKind_FRAME_KIND_CANCEL:
		if call != nil {
			call.over = true
			delete(s.calls, call.id)
			s.changed.Broadcast()
		}
	case fw.FrameKind_FRAME_KIND_GOAWAY:
		goaway := &fw.Goaway{}
		if proto.Unmarshal(frame.Payload, goaway) != nil {
			return &fatal{closeViolation, "a goaway that cannot be read"}
		}
		s.closeCode = int(goaway.CloseCode)
	case fw.FrameKind_FRAME_KIND_HELLO, fw.FrameKind_FRAME_KIND_WELCOME:
		return &fatal{closeViolation, "a second hello or welcome"}
	}
	return nil
}

func (s *Session) inOrder(sequence uint64) bool {
	if sequence <= s.received {
		return false // a repetition
	}
	if sequence > s.received+1 {
		s.askAgain()
		return false
	}
	s.received = sequence
	if s.ackTimer == nil {
		var timer *time.Timer
		timer = time.AfterFunc(ackDelay, func() {
			s.mutex.Lock()
			defer s.mutex.Unlock()
			if s.ackTimer == timer {
				s.write(&fw.DataFrame{Kind: fw.FrameKind_FRAME_KIND_ACK.Enum()})
			}
		})
		s.ackTimer = timer
	}
	return true
}

// askAgain asks for everything behind received: once now, and again after a while if nothing new came (5.6).
func (s *Session) askAgain() {
	if s.askTimer != nil || s.link == nil {
		return
	}
	s.AskedAgain++
	s.write(&fw.DataFrame{
		Kind:   fw.FrameKind_FRAME_KIND_ACK.Enum(),
		Ack:    proto.Uint64(s.received),
		Status: proto.Int32(statusDataLoss),
	})
	received := s.received
	var timer *time.Timer
	timer = time.AfterFunc(askAgainAfter, func() {
		s.mutex.Lock()
		defer s.mutex.Unlock()
		if s.askTimer != timer {
			return
		}
		s.askTimer = nil
		if s.received == received {
			s.askAgain()
		}
	})
	s.askTimer = timer
}

func (s *Session) stopTimers() {
	for _, timer := range []*time.Timer{s.ackTimer, s.askTimer} {
		if timer != nil {
			timer.Stop()
		}
	}
	s.ackTimer, s.askTimer = nil, nil
}

func (s *Session) acknowledged(sequence uint64) {
	for len(s.kept) > 0 && s.kept[0].GetSequence() <= sequence {
		s.kept = s.kept[1:]
	}
}

func (s *Session) sendAgain(ack uint64) *fatal {
	if s.oldest() > ack+1 {
		return &fatal{closeResendImpossible, "what is asked for is no longer kept"}
	}
	for _, frame := range s.kept {
		s.write(frame)
	}
	return nil
}

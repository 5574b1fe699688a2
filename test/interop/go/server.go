package main

import (
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	fw "interop/framewirev1"
	test "interop/testv1"

	"github.com/gorilla/websocket"
	"google.golang.org/protobuf/proto"
)

const (
	echo   = 257
	count  = 258
	sum    = 259
	note   = 261
	sample = 262

	resumeWindow      = time.Minute
	attemptWindow     = time.Minute // no hello is held up for longer
	heartbeatInterval = 200 * time.Millisecond
	heartbeatTimeout  = 5 * time.Second
	serverCredit      = 4096
)

// --- The handlers of test.v1.TestService ---

func answerEcho(request []byte) (proto.Message, error) {
	asked := &test.EchoRequest{}
	if err := proto.Unmarshal(request, asked); err != nil {
		return nil, &Refused{statusInvalidArgument, "the request cannot be decoded"}
	}
	if asked.Text == "refuse" {
		return nil, &Refused{statusNotFound, "there is no such echo"}
	}
	time.Sleep(time.Duration(asked.DelayMs) * time.Millisecond)
	return &test.EchoResponse{Text: asked.Text, Id: asked.Id, Data: asked.Data}, nil
}

func serve(call *Call, request []byte) (proto.Message, error) {
	switch call.cmd {
	case echo:
		return answerEcho(request)
	case count:
		asked := &test.CountRequest{}
		if err := proto.Unmarshal(request, asked); err != nil {
			return nil, &Refused{statusInvalidArgument, "the request cannot be decoded"}
		}
		padding := make([]byte, asked.Padding)
		for number := int32(1); number <= asked.Count; number++ {
			if !call.SendItem(&test.CountResponse{Number: number, Padding: padding}) {
				break
			}
		}
		return nil, nil
	case sum:
		var total int64
		for {
			frame := call.Next()
			if frame == nil || frame.GetKind() != fw.FrameKind_FRAME_KIND_ITEM {
				return &test.SumResponse{Sum: total}, nil
			}
			item := &test.SumRequest{}
			if err := proto.Unmarshal(frame.Payload, item); err != nil {
				return nil, &Refused{3, "an item cannot be decoded"}
			}
			total += item.Number
			call.Consumed(frame)
		}
	}
	return kitServe(call, request)
}

func takeNote(cmd int32, payload []byte) {
	message := &test.NoteRequest{}
	if cmd == note && proto.Unmarshal(payload, message) == nil {
		fmt.Println("note", message.Text)
	}
}

// --- Links and sessions ---

// kept is a session that the server keeps, with or without a link.
type kept struct {
	session   *Session
	token     []byte // one for the session's whole life: a client that lost a welcome still has the right one
	attempt   uint32 // the highest that a hello carried, and when that came
	attemptAt time.Time
	expiry    *time.Timer
}

type server struct {
	mutex    sync.Mutex
	sessions []*kept
}

func (s *server) serveLink(link Link) {
	decoder := NewDecoder(defaultMagic)
	frame := FirstFrame(link, decoder)
	if frame == nil {
		if decoder.Discarded > 0 {
			refuse(link, closeDamaged, "the hello was damaged")
		}
		link.Close(closeNormal, "")
		return
	}
	if link.Version() == 1 || (frame.Version == 1 && link.Version() == 0) {
		servePlain(link, decoder, frame)
		return
	}
	fields, err := frame.Fields()
	hello := &fw.Hello{}
	switch {
	case frame.Version == 1, err != nil, fields.GetKind() != fw.FrameKind_FRAME_KIND_HELLO, decoder.Discarded > 0,
		proto.Unmarshal(frame.Payload, hello) != nil:
		refuse(link, closeViolation, "the first frame is no hello")
	case len(frame.Payload) > maxHello:
		refuse(link, closeTooLarge, "the hello is longer than 65,536 bytes")
	case hello.MinVersion > 2 || hello.MaxVersion < 2:
		refuse(link, closeVersion, "this peer speaks version 2")
	default:
		s.serveSession(link, decoder, hello)
	}
}

// servePlain answers a version 1 client, in the order of its requests (6).
func servePlain(link Link, decoder *Decoder, frame *Frame) {
	for {
		for ; frame != nil; frame = decoder.Next(link.Messages()) {
			if frame.Cmd != echo {
				takeNote(frame.Cmd, frame.Payload)
				kitPlain(link, frame)
				continue
			}
			// Version 1 has no errors: who is refused gets no reply.
			if reply, err := answerEcho(frame.Payload); err == nil {
				link.Send(Encode(1, nil, &fw.DataFrame{Cmd: proto.Int32(echo), Payload: marshal(reply)}))
			}
		}
		chunk, err := link.Receive()
		if err != nil {
			return
		}
		decoder.Push(chunk)
		frame = decoder.Next(link.Messages())
	}
}

// refuse sends a goaway in place of the welcome, unseeded like it.
func refuse(link Link, code int, reason string) {
	link.Send(control(nil, fw.FrameKind_FRAME_KIND_GOAWAY, &fw.Goaway{Reason: reason, CloseCode: uint32(code)}))
	hangUp(link, code, reason)
}

func (s *server) serveSession(link Link, decoder *Decoder, hello *fw.Hello) {
	k, verdict := s.find(hello)
	if k == nil {
		refuse(link, closeReplaced, "a later connection has the session")
		return
	}
	session := k.session
	s.forget(k)
	s.mutex.Lock()
	s.sessions = append(s.sessions, k)
	s.mutex.Unlock()
	link.Send(control(nil, fw.FrameKind_FRAME_KIND_WELCOME, &fw.Welcome{
		Version:             2,
		ChecksumSeed:        session.Seed,
		Limits:              session.limits(),
		Peer:                &fw.PeerInfo{Name: "interop", Version: "1", Platform: "go"},
		Token:               k.token,
		ResumeWindowMs:      uint32(resumeWindow.Milliseconds()),
		Verdict:             verdict,
		Received:            session.received,
		HeartbeatIntervalMs: uint32(heartbeatInterval.Milliseconds()),
		HeartbeatTimeoutMs:  uint32(heartbeatTimeout.Milliseconds()),
	}))
	fmt.Println("session", strings.ToLower(strings.TrimPrefix(verdict.String(), "RESUME_VERDICT_")))
	decoder.Seed, decoder.MinVersion = &hello.ChecksumSeed, 2
	session.attach(link, hello.Resume.GetReceived(), hello.Limits)
	over := make(chan struct{})
	go heartbeat(session, link, over)
	session.Run(link, decoder)
	close(over)
	// Last: a client that sees the end may come back at once, and its session is gone by then.
	defer link.Close(closeNormal, "")

	session.mutex.Lock()
	replaced, left := session.link != nil, session.closeCode == closeNormal
	session.mutex.Unlock()
	if left {
		s.forget(k)
	} else if !replaced {
		s.mutex.Lock()
		k.expiry = time.AfterFunc(resumeWindow, func() { s.forget(k) })
		s.mutex.Unlock()
	}
}

// find gives the session that the client wants to go on with, and the verdict on that wish (5.7); nil if this hello comes too late.
func (s *server) find(hello *fw.Hello) (*kept, fw.ResumeVerdict) {
	fresh := &kept{session: NewSession(2, serverCredit), token: make([]byte, 32)}
	if _, err := rand.Read(fresh.token); err != nil {
		panic(err)
	}
	fresh.session.Serve = serve
	fresh.session.OnNote = func(frame *fw.DataFrame) {
		takeNote(frame.GetCmd(), frame.Payload)
		takeMark(frame.GetCmd(), frame.Payload)
	}
	fresh.session.OnPong = func([]byte) { fmt.Println("pong") }
	resume := hello.Resume
	if resume == nil {
		return fresh, fw.ResumeVerdict_RESUME_VERDICT_UNSPECIFIED
	}
	s.mutex.Lock()
	var found *kept
	for _, k := range s.sessions {
		if subtle.ConstantTimeCompare(k.token, resume.Token) == 1 {
			found = k
		}
	}
	s.mutex.Unlock()
	if found == nil {
		return fresh, fw.ResumeVerdict_RESUME_VERDICT_REJECTED
	}
	s.mutex.Lock()
	late := resume.Attempt > 0 && resume.Attempt <= found.attempt && time.Since(found.attemptAt) <= attemptWindow
	if !late {
		found.attempt, found.attemptAt = resume.Attempt, time.Now()
	}
	s.mutex.Unlock()
	if late {
		return nil, fw.ResumeVerdict_RESUME_VERDICT_UNSPECIFIED
	}
	// The newest connection has the session: from here on nothing that comes over an older one counts.
	found.session.Goodbye(closeReplaced, "the session goes on over another connection")
	found.session.mutex.Lock()
	defer found.session.mutex.Unlock()
	// Numbers that cannot be, losses, and clients that started anew: a larger peer would tell the range with verdict 2.
	sound := !resume.Restarted && resume.Received+1 >= found.session.oldest() && resume.Received <= found.session.sent &&
		resume.Oldest >= 1 && resume.Oldest <= found.session.received+1
	if !sound {
		return fresh, fw.ResumeVerdict_RESUME_VERDICT_REJECTED
	}
	return found, fw.ResumeVerdict_RESUME_VERDICT_RESUMED
}

func (s *server) forget(k *kept) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if k.expiry != nil {
		k.expiry.Stop()
	}
	for i, other := range s.sessions {
		if other == k {
			s.sessions = append(s.sessions[:i], s.sessions[i+1:]...)
			return
		}
	}
}

// heartbeat sends a ping after each silence; nothing at all for a while behind it ends the connection (5.8).
func heartbeat(session *Session, link Link, over <-chan struct{}) {
	ticker := time.NewTicker(heartbeatInterval)
	defer ticker.Stop()
	heard := 0
	var pingedAt time.Time
	for {
		select {
		case <-over:
			return
		case now := <-ticker.C:
			session.mutex.Lock()
			nowHeard := session.bytesHeard
			session.mutex.Unlock()
			switch {
			case nowHeard > heard:
				pingedAt = time.Time{}
			case pingedAt.IsZero():
				session.Ping([]byte("server"))
				pingedAt = now
			case now.Sub(pingedAt) > heartbeatTimeout:
				session.Goodbye(closeHeartbeat, "the client is silent")
			}
			heard = nowHeard
		}
	}
}

// runServer serves on any free port of 127.0.0.1.
func runServer(transport string) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println("listening", listener.Addr().(*net.TCPAddr).Port)
	s := &server{}
	if transport == "ws" {
		upgrader := websocket.Upgrader{Subprotocols: []string{"framewire.v2", "framewire.v1"}}
		return http.Serve(listener, http.HandlerFunc(func(response http.ResponseWriter, request *http.Request) {
			if socket, err := upgrader.Upgrade(response, request, nil); err == nil {
				s.serveLink(NewWebSocketLink(socket))
			}
		}))
	}
	for {
		socket, err := listener.Accept()
		if err != nil {
			return err
		}
		go s.serveLink(NewTCPLink(socket))
	}
}

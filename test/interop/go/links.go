package main

import (
	"io"
	"net"
	"net/url"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// Link carries bytes of frames both ways.
type Link interface {
	// Send never waits: a slow network must not hold up whoever handles frames.
	Send(frame []byte)
	// Receive gives some bytes, or an error at the end.
	Receive() ([]byte, error)
	// Close sends what waits first. TCP has no close codes: they travel in a goaway, written before this (5.9).
	Close(code int, reason string)
	// Messages: each receive is a message of its own, and its end is a flush (4.6).
	Messages() bool
	// Version that was negotiated; 0 = the first frame decides (5.1).
	Version() int
	// CloseCode that the peer gave, or 0.
	CloseCode() int
}

// outbox is the queue between Send and a socket.
type outbox struct {
	mutex  sync.Mutex
	filled *sync.Cond
	frames [][]byte
	ended  bool
	done   chan struct{}
}

func newOutbox(write func([]byte) error) *outbox {
	o := &outbox{done: make(chan struct{})}
	o.filled = sync.NewCond(&o.mutex)
	go func() {
		defer close(o.done)
		for frame := o.next(); frame != nil; frame = o.next() {
			if write(frame) != nil {
				return // The reader sees the end of the link as well.
			}
		}
	}()
	return o
}

func (o *outbox) Send(frame []byte) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	o.frames = append(o.frames, frame)
	o.filled.Signal()
}

func (o *outbox) next() []byte {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	for len(o.frames) == 0 {
		if o.ended {
			return nil
		}
		o.filled.Wait()
	}
	frame := o.frames[0]
	o.frames = o.frames[1:]
	return frame
}

func (o *outbox) end() {
	o.mutex.Lock()
	o.ended = true
	o.filled.Signal()
	o.mutex.Unlock()
	select {
	case <-o.done:
	case <-time.After(3 * time.Second):
	}
}

// TCPLink is one stream of bytes each way.
type TCPLink struct {
	*outbox
	socket net.Conn
	buffer []byte
}

func NewTCPLink(socket net.Conn) *TCPLink {
	write := func(frame []byte) error {
		_, err := socket.Write(frame)
		return err
	}
	return &TCPLink{newOutbox(write), socket, make([]byte, 65536)}
}

func (l *TCPLink) Receive() ([]byte, error) {
	count, err := l.socket.Read(l.buffer)
	return l.buffer[:count], err
}

func (l *TCPLink) Close(int, string) {
	l.end()
	socket, is := l.socket.(*net.TCPConn)
	if !is || socket.CloseWrite() != nil {
		l.socket.Close()
		return
	}
	// A socket that is closed with unread bytes is reset, which takes the goaway from the other side: it is read on for a while (5.9).
	socket.SetReadDeadline(time.Now().Add(time.Second))
	go func() {
		io.Copy(io.Discard, socket)
		socket.Close()
	}()
}

func (l *TCPLink) Messages() bool { return false }
func (l *TCPLink) Version() int   { return 0 }
func (l *TCPLink) CloseCode() int { return 0 }

// WebSocketLink puts one frame into one binary message: this peer does not announce `batching`.
type WebSocketLink struct {
	*outbox
	socket *websocket.Conn
	code   int
}

func NewWebSocketLink(socket *websocket.Conn) *WebSocketLink {
	write := func(frame []byte) error { return socket.WriteMessage(websocket.BinaryMessage, frame) }
	return &WebSocketLink{newOutbox(write), socket, 0}
}

func (l *WebSocketLink) Receive() ([]byte, error) {
	_, message, err := l.socket.ReadMessage()
	if closed, is := err.(*websocket.CloseError); is {
		l.code = closed.Code
	}
	return message, err
}

func (l *WebSocketLink) Close(code int, reason string) {
	l.end()
	deadline := time.Now().Add(time.Second)
	if l.socket.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, reason), deadline) == nil {
		// The reader goes on until the peer has answered the close.
		l.socket.SetReadDeadline(deadline)
		return
	}
	l.socket.Close()
}

func (l *WebSocketLink) Messages() bool { return true }
func (l *WebSocketLink) CloseCode() int { return l.code }

func (l *WebSocketLink) Version() int {
	switch l.socket.Subprotocol() {
	case "framewire.v1":
		return 1
	case "framewire.v2":
		return 2
	}
	return 0
}

// hangUp closes a link that nobody reads, and waits until the other side has seen it.
func hangUp(link Link, code int, reason string) {
	link.Close(code, reason)
	for {
		if _, err := link.Receive(); err != nil {
			break
		}
	}
	link.Close(closeNormal, "")
}

// Dial opens a link to tcp://host:port or ws://host:port and offers the version.
func Dial(address string, version string) (Link, error) {
	target, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	if target.Scheme == "tcp" {
		socket, err := net.Dial("tcp", target.Host)
		if err != nil {
			return nil, err
		}
		return NewTCPLink(socket), nil
	}
	dialer := websocket.Dialer{Subprotocols: []string{"framewire.v" + version}}
	socket, _, err := dialer.Dial(address, nil)
	if err != nil {
		return nil, err
	}
	return NewWebSocketLink(socket), nil
}

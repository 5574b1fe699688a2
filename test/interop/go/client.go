package main

import (
	"fmt"
	"sync"
	"time"

	fw "interop/framewirev1"

	"google.golang.org/protobuf/proto"
)

const (
	firstRetry = 50 * time.Millisecond // an app would start at 1 s and add jitter
	lastRetry  = 5 * time.Second
)

// Client of version 2: connects, and after a cut connects again and resumes, until Close.
type Client struct {
	Session  *Session
	Verdicts []fw.ResumeVerdict // of each welcome

	address string
	token   []byte
	attempt uint32        // tells a hello that was held up in the network from the newest
	closing chan struct{} // closed by Close
	ended   chan struct{}
}

func Connect(address string, initialCredit uint32) (*Client, error) {
	return ConnectServing(address, initialCredit, nil, nil)
}

// ConnectServing connects a client that answers calls and takes messages of its server.
func ConnectServing(address string, initialCredit uint32, serve Handler, onNote func(*fw.DataFrame)) (*Client, error) {
	c := &Client{Session: NewSession(1, initialCredit), address: address, closing: make(chan struct{}), ended: make(chan struct{})}
	c.Session.Serve, c.Session.OnNote = serve, onNote
	link, decoder, err := c.handshake()
	if err != nil {
		return nil, err
	}
	go c.live(link, decoder)
	return c, nil
}

// Close leaves for good: the server forgets the session.
func (c *Client) Close() {
	close(c.closing)
	c.Session.Goodbye(closeNormal, "")
	<-c.ended
}

func (c *Client) live(link Link, decoder *Decoder) {
	defer close(c.ended)
	for {
		c.Session.Run(link, decoder)
		link.Close(closeNormal, "")
		for delay := firstRetry; ; delay *= 2 {
			if c.Session.final() {
				return
			}
			if delay > lastRetry {
				delay = lastRetry
			}
			select {
			case <-c.closing:
				return
			case <-time.After(delay):
			}
			var err error
			if link, decoder, err = c.handshake(); err == nil {
				break
			}
		}
	}
}

// handshake opens a link and exchanges hello and welcome, both without a seed (5.2).
func (c *Client) handshake() (Link, *Decoder, error) {
	s := c.Session
	link, err := Dial(c.address, "2")
	if err != nil {
		return nil, nil, err
	}
	s.mutex.Lock()
	if len(c.token) == 0 {
		s.Seed = newSeed() // A new session has a new one; a session that may go on keeps it.
	}
	hello := &fw.Hello{
		MinVersion:   2,
		MaxVersion:   2,
		ChecksumSeed: s.Seed,
		Limits:       s.limits(),
		Peer:         &fw.PeerInfo{Name: "interop", Version: "1", Platform: "go"},
	}
	if len(c.token) > 0 {
		c.attempt++
		hello.Resume = &fw.ResumeRequest{Token: c.token, Received: s.received, Oldest: s.oldest(), Attempt: c.attempt}
	}
	s.mutex.Unlock()
	link.Send(control(nil, fw.FrameKind_FRAME_KIND_HELLO, hello))
	decoder := NewDecoder(defaultMagic)
	decoder.MinVersion = 2
	welcome, err := c.welcome(link, decoder)
	if err != nil {
		hangUp(link, closeViolation, "no welcome that can be read")
		return nil, nil, err
	}
	decoder.Seed = &welcome.ChecksumSeed
	c.token = welcome.Token
	c.Verdicts = append(c.Verdicts, welcome.Verdict)
	switch welcome.Verdict {
	case fw.ResumeVerdict_RESUME_VERDICT_RESUMED:
	case fw.ResumeVerdict_RESUME_VERDICT_GAP:
		// What the server lost for us will not come; what it lost of ours it has told its own application.
		if lost := welcome.ToClient.GetTo(); lost > s.received {
			s.received = lost
		}
	default:
		s.startAfresh()
	}
	s.attach(link, welcome.Received, welcome.Limits)
	return link, decoder, nil
}

func (c *Client) welcome(link Link, decoder *Decoder) (*fw.Welcome, error) {
	frame := FirstFrame(link, decoder)
	if frame == nil {
		c.refused(link.CloseCode())
		return nil, fmt.Errorf("no welcome, close code %d", link.CloseCode())
	}
	fields, err := frame.Fields()
	if err != nil {
		return nil, err
	}
	switch fields.GetKind() {
	case fw.FrameKind_FRAME_KIND_WELCOME:
		welcome := &fw.Welcome{}
		return welcome, proto.Unmarshal(frame.Payload, welcome)
	case fw.FrameKind_FRAME_KIND_GOAWAY:
		goaway := &fw.Goaway{}
		proto.Unmarshal(frame.Payload, goaway)
		c.refused(int(goaway.CloseCode))
		return nil, fmt.Errorf("refused with %d: %s", goaway.CloseCode, goaway.Reason)
	}
	return nil, fmt.Errorf("the first frame is of kind %v", fields.GetKind())
}

func (c *Client) refused(code int) {
	c.Session.mutex.Lock()
	defer c.Session.mutex.Unlock()
	c.Session.closeCode = code
}

// FirstFrame waits for the first frame; nil if the link ends before. The decoder keeps the bytes behind it.
func FirstFrame(link Link, decoder *Decoder) *Frame {
	for {
		chunk, err := link.Receive()
		if err != nil {
			return nil
		}
		decoder.Push(chunk)
		if frame := decoder.Next(link.Messages()); frame != nil {
			return frame
		}
		if decoder.Discarded > 0 {
			return nil
		}
	}
}

// PlainClient speaks version 1: no session. A reply has its request's cmd; replies of one cmd come in the order of the requests (6).
type PlainClient struct {
	link    Link
	mutex   sync.Mutex
	waiting map[int32][]chan []byte
}

func ConnectPlain(address string) (*PlainClient, error) {
	link, err := Dial(address, "1")
	if err != nil {
		return nil, err
	}
	c := &PlainClient{link: link, waiting: map[int32][]chan []byte{}}
	go c.live()
	return c, nil
}

func (c *PlainClient) Send(cmd int32, message proto.Message) {
	c.link.Send(Encode(1, nil, &fw.DataFrame{Cmd: proto.Int32(cmd), Payload: marshal(message)}))
}

// Request sends a request; the payload of its reply comes over the channel.
func (c *PlainClient) Request(cmd int32, message proto.Message) <-chan []byte {
	reply := make(chan []byte, 1)
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.waiting[cmd] = append(c.waiting[cmd], reply)
	c.Send(cmd, message)
	return reply
}

func (c *PlainClient) Close() { c.link.Close(closeNormal, "") }

func (c *PlainClient) live() {
	decoder := NewDecoder(defaultMagic)
	for {
		chunk, err := c.link.Receive()
		if err != nil {
			return
		}
		decoder.Push(chunk)
		for frame := decoder.Next(c.link.Messages()); frame != nil; frame = decoder.Next(c.link.Messages()) {
			c.mutex.Lock()
			if waiting := c.waiting[frame.Cmd]; len(waiting) > 0 {
				c.waiting[frame.Cmd] = waiting[1:]
				waiting[0] <- frame.Payload
			}
			c.mutex.Unlock()
		}
	}
}

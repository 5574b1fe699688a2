package main

import (
	"time"

	fw "interop/framewirev1"

	"google.golang.org/protobuf/proto"
)

// --- Calls that we open (5.4) ---

// Open sends a request.
func (s *Session) Open(cmd int32, request proto.Message, reliable bool) *Call {
	return s.OpenFor(cmd, request, reliable, 0)
}

// OpenFor sends a request that is given up after a while; 0 = never. A nil request: the call streams its messages.
func (s *Session) OpenFor(cmd int32, request proto.Message, reliable bool, timeout time.Duration) *Call {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.peerCalls > 0 && s.inFlight(s.nextCall%2) >= s.peerCalls {
		refused := &fw.DataFrame{Kind: fw.FrameKind_FRAME_KIND_RESPONSE.Enum(), Status: proto.Int32(statusExhausted)}
		return &Call{session: s, cmd: cmd, arrived: []*fw.DataFrame{refused}, over: true}
	}
	call := s.newCall(s.nextCall, cmd)
	s.nextCall += 2
	var payload []byte
	if request != nil {
		payload = marshal(request)
	}
	frame := call.frame(fw.FrameKind_FRAME_KIND_REQUEST, payload)
	if timeout > 0 {
		frame.TimeoutMs = proto.Uint32(uint32(timeout.Milliseconds()))
		time.AfterFunc(timeout, call.giveUp)
	}
	s.send(frame, reliable)
	return call
}

// inFlight counts the calls whose ids have this parity.
func (s *Session) inFlight(parity uint32) int {
	count := 0
	for id := range s.calls {
		if id%2 == parity {
			count++
		}
	}
	return count
}

func (s *Session) newCall(id uint32, cmd int32) *Call {
	call := &Call{session: s, id: id, cmd: cmd, credit: s.peerCredit, given: int64(s.InitialCredit)}
	s.calls[id] = call
	return call
}

// giveUp ends a call of ours whose time is over.
func (c *Call) giveUp() {
	s := c.session
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.calls[c.id] != c {
		return
	}
	delete(s.calls, c.id)
	s.send(c.frame(fw.FrameKind_FRAME_KIND_CANCEL, nil), true)
	c.arrived = append(c.arrived, &fw.DataFrame{Kind: fw.FrameKind_FRAME_KIND_RESPONSE.Enum(), Status: proto.Int32(statusDeadline)})
	s.changed.Broadcast()
}

// Cancel gives a call of ours up.
func (c *Call) Cancel() {
	s := c.session
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.calls[c.id] == c {
		delete(s.calls, c.id)
		s.send(c.frame(fw.FrameKind_FRAME_KIND_CANCEL, nil), true)
	}
}

// End says that no more items come.
func (c *Call) End() {
	c.session.mutex.Lock()
	defer c.session.mutex.Unlock()
	if c.session.calls[c.id] == c {
		c.session.send(c.frame(fw.FrameKind_FRAME_KIND_END, nil), true)
	}
}

// reply waits for the one reply.
func (c *Call) reply(message proto.Message) error {
	response := c.Next()
	if err := statusOf(response); err != nil {
		return err
	}
	return proto.Unmarshal(response.Payload, message)
}

// Unary calls and waits for the one reply.
func (s *Session) Unary(cmd int32, request, reply proto.Message, reliable bool) error {
	return s.Open(cmd, request, reliable).reply(reply)
}

func statusOf(response *fw.DataFrame) error {
	if response.GetStatus() == 0 {
		return nil
	}
	return &Refused{response.GetStatus(), response.GetExt().GetMessage()}
}

// Next waits for the next frame of the call: an item, the end of the caller's items, or the response. Nil after a cancel.
func (c *Call) Next() *fw.DataFrame {
	s := c.session
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for len(c.arrived) == 0 {
		if c.over {
			return nil
		}
		s.changed.Wait()
	}
	frame := c.arrived[0]
	c.arrived = c.arrived[1:]
	if frame.GetKind() == fw.FrameKind_FRAME_KIND_RESPONSE {
		if s.calls[c.id] == c {
			delete(s.calls, c.id)
		}
	}
	return frame
}

// Consumed gives the credit for an item back.
func (c *Call) Consumed(item *fw.DataFrame) {
	c.session.mutex.Lock()
	defer c.session.mutex.Unlock()
	credit := &fw.Credit{Bytes: uint32(len(item.Payload) + itemCost)}
	c.given += int64(credit.Bytes)
	c.session.send(c.frame(fw.FrameKind_FRAME_KIND_CREDIT, marshal(credit)), true)
}

// SendItem sends one element of a stream when there is credit for it. False: the call is over.
func (c *Call) SendItem(message proto.Message) bool {
	payload := marshal(message)
	s := c.session
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for c.credit <= 0 && !c.over {
		s.changed.Wait()
	}
	if c.over {
		return false
	}
	c.credit -= int64(len(payload) + itemCost)
	s.send(c.frame(fw.FrameKind_FRAME_KIND_ITEM, payload), true)
	return true
}

func (c *Call) frame(kind fw.FrameKind, payload []byte) *fw.DataFrame {
	return &fw.DataFrame{Cmd: proto.Int32(c.cmd), CallId: proto.Uint32(c.id), Kind: kind.Enum(), Payload: payload}
}

// --- Calls that the peer opens ---

func (s *Session) open(request *fw.DataFrame) *fatal {
	id := request.GetCallId()
	if id == 0 || id%2 == s.nextCall%2 || s.calls[id] != nil {
		return &fatal{closeViolation, "a call that the peer cannot open now"}
	}
	call := s.newCall(id, request.GetCmd())
	if s.inFlight(id%2) > maxCalls {
		s.respond(call, nil, &Refused{statusExhausted, "too many calls at once"})
		return nil
	}
	if timeout := request.GetTimeoutMs(); timeout > 0 {
		time.AfterFunc(time.Duration(timeout)*time.Millisecond, func() {
			s.mutex.Lock()
			defer s.mutex.Unlock()
			s.respond(call, nil, &Refused{statusDeadline, "the time of the call is over"})
		})
	}
	go s.answer(call, request.Payload)
	return nil
}

func (s *Session) answer(call *Call, request []byte) {
	var reply proto.Message
	var err error = &Refused{statusUnimplemented, "this peer serves nothing"}
	if s.Serve != nil {
		reply, err = s.Serve(call, request)
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.respond(call, reply, err)
}

// respond answers once. After a cancel nothing more is sent for the call. The mutex is held.
func (s *Session) respond(call *Call, reply proto.Message, err error) {
	if call.over {
		return
	}
	call.over = true
	delete(s.calls, call.id)
	s.changed.Broadcast()
	response := call.frame(fw.FrameKind_FRAME_KIND_RESPONSE, nil)
	if err == nil && reply != nil {
		response.Payload = marshal(reply)
		if len(response.Payload) > s.peerLimit {
			response.Payload = nil
			err = &Refused{statusExhausted, "the reply is larger than the caller takes"}
		}
	}
	if refused, is := err.(*Refused); is {
		response.Status = proto.Int32(refused.Status)
		response.Ext = &fw.FrameExt{Message: proto.String(refused.Message)}
	}
	s.send(response, true)
}

package main

import (
	fw "interop/framewirev1"

	"google.golang.org/protobuf/proto"
)

// --- Calls that we open (5.4) ---

// Open sends a request.
func (s *Session) Open(cmd int32, request proto.Message, reliable bool) *Call {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	call := &Call{session: s, id: s.nextCall, cmd: cmd, credit: s.peerCredit}
	s.nextCall += 2
	s.calls[call.id] = call
	s.send(call.frame(fw.FrameKind_FRAME_KIND_REQUEST, marshal(request)), reliable)
	return call
}

// Unary calls and waits for the one reply.
func (s *Session) Unary(cmd int32, request, reply proto.Message, reliable bool) error {
	response := s.Open(cmd, request, reliable).Next()
	if err := statusOf(response); err != nil {
		return err
	}
	return proto.Unmarshal(response.Payload, reply)
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
		delete(s.calls, c.id)
	}
	return frame
}

// Consumed gives the credit for an item back.
func (c *Call) Consumed(item *fw.DataFrame) {
	c.session.mutex.Lock()
	defer c.session.mutex.Unlock()
	credit := &fw.Credit{Bytes: uint32(len(item.Payload) + itemCost)}
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
	call := &Call{session: s, id: id, cmd: request.GetCmd(), credit: s.peerCredit}
	s.calls[id] = call
	go s.answer(call, request.Payload)
	return nil
}

func (s *Session) answer(call *Call, request []byte) {
	var reply proto.Message
	var err error = &Refused{statusUnimplemented, "this peer serves nothing"}
	if s.Serve != nil {
		reply, err = s.Serve(call, request)
	}
	response := call.frame(fw.FrameKind_FRAME_KIND_RESPONSE, nil)
	if refused, is := err.(*Refused); is {
		response.Status = proto.Int32(refused.Status)
		response.Ext = &fw.FrameExt{Message: proto.String(refused.Message)}
	} else if reply != nil {
		response.Payload = marshal(reply)
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	// After a cancel nothing more is sent for the call.
	if !call.over {
		call.over = true
		delete(s.calls, call.id)
		s.send(response, true)
	}
}

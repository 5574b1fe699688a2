package main

import (
	"fmt"
	"sync"
	"time"

	kit "interop/conformancev1"
	fw "interop/framewirev1"

	"google.golang.org/protobuf/proto"
)

// The service that `framewire conformance` calls: proto/framewire/conformance/v1/conformance.proto.
const (
	kitEcho  = 65281
	kitCount = 65282
	kitSum   = 65283
	kitFail  = 65284
	kitSleep = 65285
	kitMark  = 65286
	kitMarks = 65287
	kitDrive = 65288
)

var marks struct {
	mutex   sync.Mutex
	numbers []uint32
}

func takeMark(cmd int32, payload []byte) {
	mark := &kit.MarkRequest{}
	if cmd != kitMark || proto.Unmarshal(payload, mark) != nil {
		return
	}
	marks.mutex.Lock()
	defer marks.mutex.Unlock()
	marks.numbers = append(marks.numbers, mark.Number)
}

func unpack(payload []byte, message proto.Message) error {
	if proto.Unmarshal(payload, message) != nil {
		return &Refused{statusInvalidArgument, "the message cannot be decoded"}
	}
	return nil
}

// kitUnary answers the methods that version 1 can call as well.
func kitUnary(cmd int32, payload []byte) (proto.Message, error) {
	switch cmd {
	case kitEcho:
		request := &kit.EchoRequest{}
		if err := unpack(payload, request); err != nil {
			return nil, err
		}
		return &kit.EchoResponse{Data: request.Data}, nil
	case kitFail:
		request := &kit.FailRequest{}
		if err := unpack(payload, request); err != nil {
			return nil, err
		}
		return nil, &Refused{request.Status, request.Message}
	case kitSleep:
		request := &kit.SleepRequest{}
		if err := unpack(payload, request); err != nil {
			return nil, err
		}
		time.Sleep(time.Duration(request.SleepMs) * time.Millisecond)
		return &kit.SleepResponse{SleepMs: request.SleepMs}, nil
	case kitMarks:
		marks.mutex.Lock()
		defer marks.mutex.Unlock()
		reply := &kit.MarksResponse{Numbers: marks.numbers}
		marks.numbers = nil
		return reply, nil
	}
	return nil, &Refused{statusUnimplemented, fmt.Sprintf("nobody serves %d", cmd)}
}

func kitServe(call *Call, payload []byte) (proto.Message, error) {
	switch call.cmd {
	case kitCount:
		request := &kit.CountRequest{}
		if err := unpack(payload, request); err != nil {
			return nil, err
		}
		padding := make([]byte, request.Padding)
		for number := uint32(1); number <= request.Count; number++ {
			if !call.SendItem(&kit.CountResponse{Number: number, Padding: padding}) {
				break
			}
		}
		return nil, nil
	case kitSum:
		var total int64
		for {
			frame := call.Next()
			if frame == nil || frame.GetKind() != fw.FrameKind_FRAME_KIND_ITEM {
				return &kit.SumResponse{Sum: total}, nil
			}
			item := &kit.SumRequest{}
			if err := unpack(frame.Payload, item); err != nil {
				return nil, err
			}
			total += item.Number
			time.Sleep(time.Duration(item.PauseMs) * time.Millisecond)
			call.Consumed(frame)
		}
	case kitDrive:
		request := &kit.DriveRequest{}
		if err := unpack(payload, request); err != nil {
			return nil, err
		}
		reply, err := kitDriven(call.session, request)
		if refused, is := err.(*Refused); is {
			return &kit.DriveResponse{Status: refused.Status, Message: refused.Message}, nil
		}
		return reply, err
	}
	return kitUnary(call.cmd, payload)
}

// kitDriven calls the other end, which serves the same methods.
func kitDriven(s *Session, request *kit.DriveRequest) (*kit.DriveResponse, error) {
	timeout := time.Duration(request.TimeoutMs) * time.Millisecond
	switch request.Target {
	case kit.DriveMethod_DRIVE_METHOD_ECHO:
		reply := &kit.EchoResponse{}
		err := s.OpenFor(kitEcho, &kit.EchoRequest{Data: request.Data}, true, timeout).reply(reply)
		return &kit.DriveResponse{Data: reply.Data}, err
	case kit.DriveMethod_DRIVE_METHOD_COUNT:
		call := s.Open(kitCount, &kit.CountRequest{Count: request.Count, Padding: uint32(len(request.Data))}, true)
		answer := &kit.DriveResponse{}
		for {
			frame := call.Next()
			if frame.GetKind() != fw.FrameKind_FRAME_KIND_ITEM {
				return answer, statusOf(frame)
			}
			item := &kit.CountResponse{}
			if err := unpack(frame.Payload, item); err != nil {
				call.Cancel()
				return nil, err
			}
			answer.Numbers = append(answer.Numbers, item.Number)
			call.Consumed(frame)
		}
	case kit.DriveMethod_DRIVE_METHOD_SUM:
		call := s.Open(kitSum, nil, true)
		for number := uint32(1); number <= request.Count; number++ {
			if !call.SendItem(&kit.SumRequest{Number: int64(number), Padding: request.Data}) {
				break
			}
		}
		call.End()
		reply := &kit.SumResponse{}
		err := call.reply(reply)
		return &kit.DriveResponse{Sum: reply.Sum}, err
	}
	return nil, &Refused{statusInvalidArgument, "no method was named"}
}

// kitPlain answers a frame of version 1: with the command of the request, or not at all (6).
func kitPlain(link Link, frame *Frame) {
	takeMark(frame.Cmd, frame.Payload)
	if reply, err := kitUnary(frame.Cmd, frame.Payload); err == nil {
		link.Send(Encode(1, nil, &fw.DataFrame{Cmd: proto.Int32(frame.Cmd), Payload: marshal(reply)}))
	}
}

// runKitClient is a client that serves the kit, and begins anew whenever it was told not to come again.
func runKitClient(address string, version string) {
	for ; ; time.Sleep(20 * time.Millisecond) {
		if version == "1" {
			runKitPlain(address)
			continue
		}
		client, err := ConnectServing(address, clientCredit, kitServe, func(frame *fw.DataFrame) { takeMark(frame.GetCmd(), frame.Payload) })
		if err == nil {
			<-client.ended
		}
	}
}

func runKitPlain(address string) {
	link, err := Dial(address, "1")
	if err != nil {
		return
	}
	defer link.Close(closeNormal, "")
	decoder := NewDecoder(defaultMagic)
	for {
		chunk, err := link.Receive()
		if err != nil {
			return
		}
		decoder.Push(chunk)
		for frame := decoder.Next(link.Messages()); frame != nil; frame = decoder.Next(link.Messages()) {
			kitPlain(link, frame)
		}
	}
}

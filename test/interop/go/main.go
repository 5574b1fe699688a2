// A framewire peer in Go, written from docs/wire.md.
//
//	peer client URL VERSION    walks through everything a client does against a server of test.v1.TestService
//	peer server tcp|ws         serves test.v1.TestService and the conformance service until standard input ends
//	peer conform URL VERSION   a client that serves the conformance service, and comes again and again until standard input ends
//	peer decode                reads streams from standard input and prints their frames
//
// URL is tcp://host:port or ws://host:port. README.md in the folder above says what is printed.
package main

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"sort"
	"strconv"
	"strings"

	fw "interop/framewirev1"
	test "interop/testv1"

	"google.golang.org/protobuf/proto"
)

const (
	greeting     = "Grüß dich, 世界"
	largeID      = -(1 << 53) - 1
	clientCredit = 16_384
)

func sessionScenario(address string) error {
	client, err := Connect(address, clientCredit)
	if err != nil {
		return err
	}
	session := client.Session
	fmt.Println("welcome verdict", int(client.Verdicts[0]))

	data := make([]byte, 256)
	for i := range data {
		data[i] = byte(i)
	}
	reply := &test.EchoResponse{}
	if err := session.Unary(echo, &test.EchoRequest{Text: greeting, Id: largeID, Data: data}, reply, true); err != nil {
		return err
	}
	fmt.Println("echo", reply.Text, reply.Id, same(bytes.Equal(reply.Data, data)))

	err = session.Unary(echo, &test.EchoRequest{Text: "refuse"}, reply, true)
	if refused, is := err.(*Refused); is {
		fmt.Println("refused", refused.Status, refused.Message)
	}

	large := make([]byte, 700_000)
	if err := session.Unary(echo, &test.EchoRequest{Data: large}, reply, true); err != nil {
		return err
	}
	fmt.Println("large", same(bytes.Equal(reply.Data, large)))

	if err := countUp(session); err != nil {
		return err
	}

	sampled := &test.SampleResponse{}
	if err := session.Unary(sample, &test.SampleRequest{Text: "never sent again"}, sampled, false); err != nil {
		return err
	}
	fmt.Println("sample", sampled.Text)

	pongs := make(chan []byte, 1)
	session.mutex.Lock()
	session.OnPong = func(payload []byte) { pongs <- payload }
	session.mutex.Unlock()
	session.Ping([]byte("are you there"))
	fmt.Printf("pong %s\n", <-pongs)

	// The server hears nothing from us meanwhile and pings.
	if err := session.Unary(echo, &test.EchoRequest{Text: "wait", DelayMs: 600}, reply, true); err != nil {
		return err
	}
	fmt.Println("answered pings", yes(session.PingsAnswered > 0))

	for number := 1; number <= 20; number++ {
		session.Note(note, &test.NoteRequest{Text: fmt.Sprintf("note %d!", number)})
	}
	for _, text := range []string{"behind the notes", "damage the reply"} {
		if err := session.Unary(echo, &test.EchoRequest{Text: text}, reply, true); err != nil {
			return err
		}
		fmt.Println("echo", reply.Text)
	}
	fmt.Println("asked again", yes(session.AskedAgain > 0))

	// The server cuts the connection before it answers.
	if err := session.Unary(echo, &test.EchoRequest{Text: "cut"}, reply, true); err != nil {
		return err
	}
	fmt.Println("echo", reply.Text, "verdicts", int(client.Verdicts[0]), int(client.Verdicts[1]))
	client.Close()
	fmt.Println("closed")
	return nil
}

// countUp calls the method that streams, and gives credit for each item.
func countUp(session *Session) error {
	call := session.Open(count, &test.CountRequest{Count: 300, Padding: 1000}, true)
	var numbers []int
	total := 0
	for {
		frame := call.Next()
		if frame.GetKind() != fw.FrameKind_FRAME_KIND_ITEM {
			fmt.Println("count", len(numbers), "sum", total, same(sort.IntsAreSorted(numbers)))
			return statusOf(frame)
		}
		item := &test.CountResponse{}
		if err := proto.Unmarshal(frame.Payload, item); err != nil {
			return err
		}
		numbers = append(numbers, int(item.Number))
		total += int(item.Number)
		call.Consumed(frame)
	}
}

func plainScenario(address string) error {
	client, err := ConnectPlain(address)
	if err != nil {
		return err
	}
	var replies []<-chan []byte
	for _, text := range []string{greeting, "two", "three"} {
		replies = append(replies, client.Request(echo, &test.EchoRequest{Text: text, Id: largeID}))
	}
	reply := &test.EchoResponse{}
	for _, arrived := range replies {
		if err := proto.Unmarshal(<-arrived, reply); err != nil {
			return err
		}
		fmt.Println("echo", reply.Text, reply.Id)
	}
	large := make([]byte, 700_000)
	if err := proto.Unmarshal(<-client.Request(echo, &test.EchoRequest{Data: large}), reply); err != nil {
		return err
	}
	fmt.Println("large", same(bytes.Equal(reply.Data, large)))
	for number := 1; number <= 20; number++ {
		client.Send(note, &test.NoteRequest{Text: fmt.Sprintf("note %d!", number)})
	}
	if err := proto.Unmarshal(<-client.Request(echo, &test.EchoRequest{Text: "behind the notes"}), reply); err != nil {
		return err
	}
	fmt.Println("echo", reply.Text)
	client.Close()
	fmt.Println("closed")
	return nil
}

func same(is bool) string {
	if is {
		return "same"
	}
	return "DIFFERENT"
}

func yes(is bool) string {
	if is {
		return "yes"
	}
	return "no"
}

// decode: one stream a line: chunk size (0 = whole), magic, minVersion, seed or -, maxPayload, maxTrailer, bytes in hex.
func decode() error {
	lines := bufio.NewReader(os.Stdin)
	for {
		line, err := lines.ReadString('\n')
		if err == io.EOF {
			return nil
		}
		words := append(strings.Fields(line), "")
		number := func(at int) int64 {
			value, err := strconv.ParseInt(words[at], 10, 64)
			if err != nil {
				panic(err)
			}
			return value
		}
		decoder := NewDecoder(int32(number(1)))
		decoder.MinVersion = int32(number(2))
		if words[3] != "-" {
			seed := uint32(number(3))
			decoder.Seed = &seed
		}
		decoder.MaxPayload = number(4)
		decoder.MaxTrailer = int(number(5))
		stream, err := hex.DecodeString(words[6])
		if err != nil {
			return err
		}
		size := int(number(0))
		if size == 0 {
			size = len(stream)
		}
		var found []string
		take := func(final bool) {
			for frame := decoder.Next(final); frame != nil; frame = decoder.Next(final) {
				found = append(found, fmt.Sprintf("%d:%d:%x:%x", frame.Version, frame.Cmd, frame.Payload, frame.Raw))
			}
		}
		for len(stream) > 0 {
			decoder.Push(stream[:size])
			stream = stream[size:]
			take(false)
		}
		take(true)
		fmt.Println(strings.Join(found, " "))
	}
}

func main() {
	var err error
	switch mode := os.Args[1]; {
	case mode == "decode":
		err = decode()
	case mode == "conform":
		go runKitClient(os.Args[2], os.Args[3])
		io.Copy(io.Discard, os.Stdin)
	case mode == "server":
		go func() {
			io.Copy(io.Discard, os.Stdin)
			os.Exit(0)
		}()
		err = runServer(os.Args[2])
	case os.Args[3] == "1":
		err = plainScenario(os.Args[2])
	default:
		err = sessionScenario(os.Args[2])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// Frames: bytes to frames and back (docs/wire.md, sections 1 to 4).
package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"

	fw "interop/framewirev1"

	"google.golang.org/protobuf/proto"
)

const (
	defaultMagic      = 0x7EDDFCF5
	defaultMaxPayload = 1 << 20
	leastMaxPayload   = 1 << 10 // what a told max_payload is at least (5.2)
	maxHello          = 1 << 16
	defaultMaxTrailer = 1024
	checksumTag       = 0x7D
)

// Encode writes one frame. Magic, length, version and checksum are filled in; a nil seed means none.
func Encode(version int32, seed *uint32, fields *fw.DataFrame) []byte {
	frame := proto.Clone(fields).(*fw.DataFrame)
	frame.Magic = proto.Int32(defaultMagic)
	frame.Length = proto.Int32(int32(len(frame.Payload)))
	if frame.Cmd == nil {
		frame.Cmd = proto.Int32(0) // Required fields are written also when they are zero.
	}
	if version >= 2 {
		frame.Version = proto.Int32(version)
	}
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(frame)
	if err != nil {
		panic(err) // Only text that is not UTF-8 could do that.
	}
	if version >= 2 {
		sum := checksum(seed, raw)
		raw = binary.LittleEndian.AppendUint32(append(raw, checksumTag), sum)
	}
	return raw
}

func checksum(seed *uint32, raw []byte) uint32 {
	var sum uint32
	if seed != nil {
		sum = crc32.ChecksumIEEE(binary.LittleEndian.AppendUint32(nil, *seed))
	}
	return crc32.Update(sum, crc32.IEEETable, raw)
}

// Frame is a frame that holds. Raw is all of it.
type Frame struct {
	Version int32
	Cmd     int32
	Payload []byte
	Raw     []byte
}

// Fields gives the trailer as well.
func (f *Frame) Fields() (*fw.DataFrame, error) {
	fields := &fw.DataFrame{}
	return fields, proto.Unmarshal(f.Raw, fields)
}

var (
	errIncomplete = errors.New("more bytes will tell")
	errDamaged    = errors.New("the candidate fails")
)

// Decoder cuts a stream into frames and skips what is none (section 4.1). Seed and MinVersion may be changed between
// two calls of Next and hold from the next frame on.
//
// A candidate is read again from its start when more bytes come. That is enough for an honest peer; against one that
// sends many headers with one common end see "Cost" in section 4.4.
type Decoder struct {
	MinVersion int32
	Seed       *uint32
	MaxPayload int64
	MaxTrailer int
	// Discarded counts the bytes that belonged to no frame.
	Discarded int
	// TooLarge: a frame above MaxPayload was announced.
	TooLarge bool

	prefix []byte
	buffer []byte
}

func NewDecoder(magic int32) *Decoder {
	prefix := binary.AppendUvarint([]byte{0x08}, uint64(magic))
	return &Decoder{MinVersion: 1, MaxPayload: defaultMaxPayload, MaxTrailer: defaultMaxTrailer, prefix: append(prefix, 0x10)}
}

// Push adds bytes that arrived.
func (d *Decoder) Push(chunk []byte) {
	d.buffer = append(d.buffer, chunk...)
}

// Next gives the next frame, or nil if none is complete. final: no further byte can complete anything (a flush).
func (d *Decoder) Next(final bool) *Frame {
	for {
		at := bytes.Index(d.buffer, d.prefix)
		if at < 0 {
			rest := len(d.buffer)
			if !final && rest >= len(d.prefix) {
				rest -= len(d.prefix) - 1 // The last bytes may be the beginning of a prefix.
			} else if !final {
				rest = 0
			}
			d.discard(rest)
			return nil
		}
		d.discard(at)
		frame, err := d.parse()
		if err == nil {
			d.buffer = d.buffer[len(frame.Raw):]
			return frame
		}
		if err == errIncomplete && !final {
			return nil
		}
		d.discard(1)
	}
}

func (d *Decoder) discard(count int) {
	d.Discarded += count
	d.buffer = d.buffer[count:]
}

// parse reads the frame at the start of the buffer by the grammar of section 2.
func (d *Decoder) parse() (*Frame, error) {
	c := &cursor{data: d.buffer, at: len(d.prefix)}
	length := c.int31()
	version := int64(1)
	tag := c.byte()
	if tag == 0x18 {
		version = c.int31()
		tag = c.byte()
	}
	c.require(version >= 1 && version >= int64(d.MinVersion) && tag == 0x20)
	cmd := c.cmd()
	var payload []byte
	if length > 0 || (version >= 2 && c.peek() == 0x2A) {
		c.require(c.byte() == 0x2A)
		c.require(c.int31() == length)
		// Not before: a length that the rest of the head contradicts was damaged.
		if c.err == nil && length > d.MaxPayload {
			d.TooLarge = true
			return nil, errDamaged
		}
		payload = c.bytes(int(length))
	}
	// An empty version 1 frame ends here; a 2A 00 behind it is skipped like any bytes that are no frame.
	if version >= 2 {
		d.trailer(c)
	}
	if c.err != nil {
		return nil, c.err
	}
	return &Frame{int32(version), cmd, append([]byte(nil), payload...), append([]byte(nil), d.buffer[:c.at]...)}, nil
}

func (d *Decoder) trailer(c *cursor) {
	limit := c.at + d.MaxTrailer - 5
	last := byte(5)
	for c.err == nil {
		tag := c.byte()
		if c.err == nil && tag == checksumTag {
			covered := c.at - 1
			stated := c.bytes(4)
			c.require(c.err == nil && binary.LittleEndian.Uint32(stated) == checksum(d.Seed, d.buffer[:covered]))
			return
		}
		number := tag >> 3
		c.require(tag < 0x80 && number > last && number < 15)
		last = number
		switch tag & 7 {
		case 0:
			c.varint()
		case 1:
			c.skip(8, true, limit)
		case 2:
			length, fits := c.varint()
			c.skip(length, fits, limit)
		case 5:
			c.skip(4, true, limit)
		default:
			c.require(false)
		}
		c.require(c.at <= limit)
	}
}

// cursor reads on through bytes. The first error stays, and everything behind it reads as zero.
type cursor struct {
	data []byte
	at   int
	err  error
}

func (c *cursor) require(holds bool) {
	if c.err == nil && !holds {
		c.err = errDamaged
	}
}

func (c *cursor) peek() byte {
	if c.err == nil && c.at >= len(c.data) {
		c.err = errIncomplete
	}
	if c.err != nil {
		return 0
	}
	return c.data[c.at]
}

func (c *cursor) byte() byte {
	value := c.peek()
	if c.err == nil {
		c.at++
	}
	return value
}

func (c *cursor) bytes(count int) []byte {
	if c.err == nil && count > len(c.data)-c.at {
		c.err = errIncomplete
	}
	if c.err != nil {
		return nil
	}
	c.at += count
	return c.data[c.at-count : c.at]
}

func (c *cursor) skip(count uint64, fits bool, limit int) {
	c.require(fits && count <= math.MaxInt32 && c.at+int(count) <= limit)
	c.bytes(int(count))
}

// varint reads at most 10 bytes, minimal or not. fits: the value is no wider than 64 bits; else it is their lowest 64.
func (c *cursor) varint() (value uint64, fits bool) {
	for shift := 0; shift < 70 && c.err == nil; shift += 7 {
		next := c.byte()
		value |= uint64(next&0x7F) << shift
		if next < 0x80 {
			return value, shift < 63 || next <= 1
		}
	}
	c.require(false)
	return 0, false
}

func (c *cursor) minimal() uint64 {
	start := c.at
	value, fits := c.varint()
	c.require(fits && (c.data[c.at-1] != 0 || c.at-start == 1))
	return value
}

func (c *cursor) int31() int64 {
	value := c.minimal()
	c.require(value <= math.MaxInt32)
	return int64(value)
}

// cmd reads 0 to 2^31-1, or a negative int32 as the 64 bits that protobuf writes.
func (c *cursor) cmd() int32 {
	value := c.minimal()
	c.require(int64(value) >= math.MinInt32 && int64(value) <= math.MaxInt32)
	return int32(value)
}

// Frames: bytes to frames and back (docs/wire.md, sections 1 to 4).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "framewire/v1/data_frame.pb.h"

constexpr int32_t kMagic = 0x7EDDFCF5;
using Seed = std::optional<uint32_t>;
using framewire::v1::DataFrame;

// Writes a frame. Magic, length, version and checksum are filled in; no seed means none.
std::string encode(int version, Seed seed, DataFrame fields);

// A frame that holds. `raw` is all of it: parse it to read the trailer.
struct Frame {
  int32_t version = 1;
  int32_t cmd = 0;
  std::string payload;
  std::string raw;
};

// Cuts a stream into frames and skips what is none (section 4.1). `seed` and `min_version` may be changed between two
// calls of `next` and hold from the next frame on.
//
// A candidate is read again from its start when more bytes come. That is enough for an honest peer; against one that
// sends many headers with one common end see "Cost" in section 4.4.
class Decoder {
 public:
  explicit Decoder(int32_t magic = kMagic);

  int32_t min_version = 1;
  Seed seed;
  int64_t max_payload = 1 << 20;
  size_t max_trailer = 1024;
  // Bytes that belonged to no frame.
  size_t discarded = 0;
  // A frame above max_payload was announced.
  bool too_large = false;

  // Adds bytes that arrived.
  void push(const std::string& chunk) { buffer_ += chunk; }
  // The next frame, if one is complete. `last`: no further byte can complete anything (a flush).
  std::optional<Frame> next(bool last);

 private:
  class Cursor;
  enum class Verdict { kHolds, kDamaged, kIncomplete };

  Verdict parse(Frame& frame);
  void trailer(Cursor& cursor) const;
  void discard(size_t count);

  std::string prefix_;
  std::string buffer_;
  size_t start_ = 0;  // of the bytes in the buffer that wait
};

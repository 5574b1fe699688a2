// A client's side of a version 2 session (docs/wire.md, section 5).
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "frames.h"
#include "framewire/v1/session.pb.h"
#include "link.h"

// A call that ended with another status than 0.
struct Refused : std::runtime_error {
  Refused(int status, const std::string& message) : std::runtime_error(message), status(status) {}
  int status;
};

// Connects, and after a cut connects again and resumes, until `close`. One thread reads, writes and keeps time; the
// methods may be called by any other.
class Session {
 public:
  // Throws std::runtime_error if the first connection fails.
  Session(std::string host, std::string port, uint32_t initial_credit);
  ~Session();

  // Opens a call and gives its id (5.4).
  uint32_t open(int32_t cmd, const google::protobuf::Message& request, bool reliable = true);
  // Waits for the next item of a call, or for its response, which is the last frame. Throws Refused.
  DataFrame next(uint32_t call_id);
  // Gives the credit for an item back.
  void consumed(const DataFrame& item);
  // Calls and gives the payload of the one reply. Throws Refused.
  std::string unary(int32_t cmd, const google::protobuf::Message& request, bool reliable = true);
  // Sends a one-way message.
  void note(int32_t cmd, const google::protobuf::Message& message);
  // Sends a ping and waits for its pong.
  std::string ping(const std::string& payload);
  // Leaves for good: the server forgets the session.
  void close();

  // For tests.
  std::vector<int> verdicts();
  int asked_again();
  int pings_answered();

 private:
  using Clock = std::chrono::steady_clock;
  struct Fatal;

  void live();
  void serve(Link& link);
  void handshake(std::shared_ptr<Link> link);
  Frame first_frame(Link& link);
  void handle(const DataFrame& frame);
  bool in_order(uint64_t sequence);
  void ask_again();
  void send_again(uint64_t ack);
  void acknowledged(uint64_t sequence);
  void start_afresh();
  void send(DataFrame frame, bool reliable);
  void write(DataFrame frame);
  void goodbye(int code, const std::string& reason);
  uint64_t oldest() const { return kept_.empty() ? sent_ + 1 : kept_.front().sequence(); }
  bool final() const { return close_code_ >= 4000 && close_code_ < 4500; }

  const std::string host_, port_;
  const uint32_t initial_credit_;
  const uint32_t seed_;
  std::mutex mutex_;  // guards everything below
  std::condition_variable changed_;
  std::shared_ptr<Link> link_;  // once hello and welcome are exchanged
  std::string out_;             // bytes that wait for the network
  Decoder decoder_;
  std::string token_;
  uint32_t attempt_ = 0;  // tells a hello that was held up in the network from the newest
  std::vector<int> verdicts_;
  uint32_t close_code_ = 0;  // why the last connection was closed, as far as anybody said so
  bool closing_ = false;
  uint64_t received_ = 0, sent_ = 0;
  std::deque<DataFrame> kept_;  // what the peer has not acknowledged
  std::map<uint32_t, std::deque<DataFrame>> calls_;
  std::deque<std::string> pongs_;
  uint32_t next_call_ = 1;
  int asked_again_ = 0, pings_answered_ = 0;
  Clock::time_point ack_at_ = Clock::time_point::max(), ask_at_ = Clock::time_point::max();
  uint64_t asked_for_ = 0;
  std::thread life_;
};

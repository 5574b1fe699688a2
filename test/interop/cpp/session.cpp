#include "session.h"

#include <algorithm>
#include <random>

using namespace framewire::v1;
using namespace std::chrono_literals;

namespace {

constexpr int kVersion = 2;
constexpr int kItemCost = 64;  // what an item costs beside its payload (5.5)
constexpr size_t kKeptFrames = 4096;
constexpr auto kAckDelay = 20ms;
constexpr auto kAskAgain = 300ms;
constexpr auto kFirstRetry = 50ms;  // an app would start at 1 s and add jitter
constexpr auto kLastRetry = 5000ms;
constexpr auto kTimeout = 20s;
constexpr int kNormal = 1000, kTooLarge = 4401, kViolation = 4402, kResendImpossible = 4510;
constexpr int kDeadlineExceeded = 4, kUnimplemented = 12, kUnavailable = 14, kDataLoss = 15;

// A frame of cmd 0 with this message.
std::string control(Seed seed, FrameKind kind, const google::protobuf::Message& message) {
  DataFrame frame;
  frame.set_kind(kind);
  frame.set_payload(message.SerializeAsString());
  return encode(kVersion, seed, std::move(frame));
}

DataFrame of_call(FrameKind kind, int32_t cmd, uint32_t call_id) {
  DataFrame frame;
  frame.set_kind(kind);
  frame.set_cmd(cmd);
  frame.set_call_id(call_id);
  return frame;
}

}  // namespace

// Closes the connection with its close code (5.9).
struct Session::Fatal : std::runtime_error {
  Fatal(int code, const std::string& text) : std::runtime_error(text), code(code) {}
  int code;
};

Session::Session(std::string host, std::string port, uint32_t initial_credit)
    : host_(std::move(host)), port_(std::move(port)), initial_credit_(initial_credit), seed_(std::random_device{}()) {
  handshake(std::make_shared<Link>(host_, port_));
  life_ = std::thread([this] { live(); });
}

Session::~Session() { close(); }

void Session::close() {
  {
    std::lock_guard lock(mutex_);
    closing_ = true;
    goodbye(kNormal, "");
  }
  if (life_.joinable()) life_.join();
}

// --- The life of the connection, in a thread of its own ---

void Session::live() {
  auto delay = std::chrono::milliseconds(kFirstRetry);
  while (true) {
    std::shared_ptr<Link> link;
    {
      std::lock_guard lock(mutex_);
      link = link_;
    }
    if (link != nullptr) {
      serve(*link);
      delay = kFirstRetry;
    }
    {
      std::lock_guard lock(mutex_);
      link_ = nullptr;
      if (closing_ || final()) return;
    }
    std::this_thread::sleep_for(delay);
    delay = std::min<std::chrono::milliseconds>(2 * delay, kLastRetry);
    try {
      handshake(std::make_shared<Link>(host_, port_));
    } catch (const std::runtime_error&) {
      // Tried again after a longer delay.
    }
  }
}

// Handles what comes until the link ends.
void Session::serve(Link& link) {
  std::unique_lock lock(mutex_);
  std::string in;  // At first, what came in one piece with the welcome is in the decoder.
  try {
    while (true) {
      size_t discarded = decoder_.discarded;
      decoder_.push(in);
      in.clear();
      while (auto frame = decoder_.next(false)) {
        DataFrame fields;
        if (!fields.ParseFromString(frame->raw)) throw Fatal(kViolation, "a frame that no protobuf library can read");
        handle(fields);
      }
      if (decoder_.too_large) throw Fatal(kTooLarge, "a frame is larger than this peer takes");
      if (decoder_.discarded > discarded) ask_again();
      auto now = Clock::now();
      if (now >= ack_at_) {
        DataFrame ack;
        ack.set_kind(FRAME_KIND_ACK);
        write(ack);
      }
      if (now >= ask_at_) {
        ask_at_ = Clock::time_point::max();
        if (received_ == asked_for_) ask_again();
      }
      auto until = std::min({ack_at_, ask_at_, now + 1s});
      int timeout = static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(until - now).count());
      if (closing_ && out_.empty()) return;
      std::string out;
      std::swap(out, out_);
      lock.unlock();
      bool open = link.wait(out, in, timeout);
      lock.lock();
      out_.insert(0, out);
      if (!open) break;
    }
  } catch (const Fatal& reason) {
    close_code_ = static_cast<uint32_t>(reason.code);
    goodbye(reason.code, reason.what());
    while (!out_.empty() && link.wait(out_, in, 1000)) in.clear();
  }
  out_.clear();
  ack_at_ = ask_at_ = Clock::time_point::max();
}

// Exchanges hello and welcome, both without a seed (5.2), and goes on over this link.
void Session::handshake(std::shared_ptr<Link> link) {
  {
    std::lock_guard lock(mutex_);
    Hello hello;
    hello.set_min_version(kVersion);
    hello.set_max_version(kVersion);
    hello.set_checksum_seed(seed_);
    hello.mutable_limits()->set_max_payload(1 << 20);
    hello.mutable_limits()->set_max_calls(64);
    hello.mutable_limits()->set_initial_credit(initial_credit_);
    hello.mutable_peer()->set_name("interop");
    hello.mutable_peer()->set_version("1");
    hello.mutable_peer()->set_platform("c++");
    if (!token_.empty()) {
      hello.mutable_resume()->set_token(token_);
      hello.mutable_resume()->set_received(received_);
      hello.mutable_resume()->set_oldest(oldest());
      hello.mutable_resume()->set_attempt(++attempt_);
    }
    out_ = control({}, FRAME_KIND_HELLO, hello);
    decoder_ = Decoder();
    decoder_.min_version = kVersion;
  }
  Frame frame = first_frame(*link);
  std::lock_guard lock(mutex_);
  DataFrame fields;
  Welcome welcome;
  if (!fields.ParseFromString(frame.raw) || fields.kind() != FRAME_KIND_WELCOME || !welcome.ParseFromString(frame.payload)) {
    Goaway goaway;
    if (fields.kind() == FRAME_KIND_GOAWAY && goaway.ParseFromString(frame.payload)) close_code_ = goaway.close_code();
    throw std::runtime_error("no welcome, close code " + std::to_string(close_code_));
  }
  decoder_.seed = welcome.checksum_seed();
  token_ = welcome.token();
  verdicts_.push_back(welcome.verdict());
  if (welcome.verdict() == RESUME_VERDICT_GAP) {
    // What the server lost for us will not come; what it lost of ours it has told its own application.
    received_ = std::max<uint64_t>(received_, welcome.to_client().to());
  } else if (welcome.verdict() != RESUME_VERDICT_RESUMED) {
    start_afresh();
  }
  // First what the peer has not got, then what is new (5.7).
  close_code_ = 0;
  acknowledged(welcome.received());
  out_.clear();
  link_ = std::move(link);
  for (const DataFrame& kept : kept_) write(kept);
}

Frame Session::first_frame(Link& link) {
  auto until = Clock::now() + kTimeout;
  std::string in;
  while (Clock::now() < until && link.wait(out_, in, 100)) {
    decoder_.push(in);
    in.clear();
    if (auto frame = decoder_.next(false)) return *frame;
  }
  throw std::runtime_error("no welcome");
}

void Session::start_afresh() {
  received_ = sent_ = 0;
  kept_.clear();
  DataFrame lost = of_call(FRAME_KIND_RESPONSE, 0, 0);
  lost.set_status(kUnavailable);
  for (auto& [id, arrived] : calls_) arrived.push_back(lost);
  changed_.notify_all();
}

// --- Receiving. The mutex is held. ---

void Session::handle(const DataFrame& frame) {
  if (frame.has_ack()) {
    if (frame.ack() > sent_) throw Fatal(kViolation, "an ack for what was never sent");
    acknowledged(frame.ack());
  }
  if (frame.sequence() > 0 && !in_order(frame.sequence())) return;
  // A kind from the future: enums of proto2 are closed here, and the frame looks like a message (5.3).
  const auto& unknown = frame.unknown_fields();
  for (int i = 0; i < unknown.field_count(); i++) {
    if (unknown.field(i).number() == DataFrame::kKindFieldNumber) return;
  }
  switch (frame.kind()) {
    case FRAME_KIND_PING: {
      pings_answered_++;
      DataFrame pong;
      pong.set_kind(FRAME_KIND_PONG);
      pong.set_payload(frame.payload());
      write(pong);
      break;
    }
    case FRAME_KIND_PONG:
      pongs_.push_back(frame.payload());
      changed_.notify_all();
      break;
    case FRAME_KIND_ACK:
      if (frame.status() == kDataLoss) send_again(frame.ack());
      break;
    case FRAME_KIND_RESPONSE:
    case FRAME_KIND_ITEM:
      // A frame for a call that is over is ignored.
      if (auto call = calls_.find(frame.call_id()); call != calls_.end()) {
        call->second.push_back(frame);
        changed_.notify_all();
      }
      break;
    case FRAME_KIND_REQUEST: {
      // This peer serves nothing.
      DataFrame answer = of_call(FRAME_KIND_RESPONSE, frame.cmd(), frame.call_id());
      answer.set_status(kUnimplemented);
      send(answer, true);
      break;
    }
    case FRAME_KIND_GOAWAY: {
      Goaway goaway;
      if (!goaway.ParseFromString(frame.payload())) throw Fatal(kViolation, "a goaway that cannot be read");
      close_code_ = goaway.close_code();
      break;
    }
    case FRAME_KIND_HELLO:
    case FRAME_KIND_WELCOME:
      throw Fatal(kViolation, "a second hello or welcome");
    default:
      // One-way messages have no handler here; this peer streams no items, so it needs no credit.
      break;
  }
}

bool Session::in_order(uint64_t sequence) {
  if (sequence <= received_) return false;  // a repetition
  if (sequence > received_ + 1) {
    ask_again();
    return false;
  }
  received_ = sequence;
  ack_at_ = std::min(ack_at_, Clock::now() + kAckDelay);
  return true;
}

// Asks for everything behind `received_`: once now, and again after a while if nothing new came (5.6).
void Session::ask_again() {
  if (ask_at_ != Clock::time_point::max()) return;
  asked_again_++;
  DataFrame ask;
  ask.set_kind(FRAME_KIND_ACK);
  ask.set_ack(received_);
  ask.set_status(kDataLoss);
  write(ask);
  asked_for_ = received_;
  ask_at_ = Clock::now() + kAskAgain;
}

void Session::acknowledged(uint64_t sequence) {
  while (!kept_.empty() && kept_.front().sequence() <= sequence) kept_.pop_front();
}

void Session::send_again(uint64_t ack) {
  if (oldest() > ack + 1) throw Fatal(kResendImpossible, "what is asked for is no longer kept");
  for (const DataFrame& frame : kept_) write(frame);
}

// --- Sending. The mutex is held. ---

// A frame of the kinds 0 to 6. A reliable one is kept until the peer acknowledges it, whether there is a link or not.
void Session::send(DataFrame frame, bool reliable) {
  if (reliable) {
    frame.set_sequence(++sent_);
    kept_.push_back(frame);
    if (kept_.size() > kKeptFrames) kept_.pop_front();
  }
  write(std::move(frame));
}

void Session::write(DataFrame frame) {
  if (link_ == nullptr) return;
  if (received_ > 0) {
    frame.set_ack(received_);  // rides on whatever goes back
    ack_at_ = Clock::time_point::max();
  }
  out_ += encode(kVersion, seed_, std::move(frame));
  link_->wake();
}

// Says why, then the link closes (5.9). Code 1000 ends the session.
void Session::goodbye(int code, const std::string& reason) {
  if (link_ == nullptr) return;
  Goaway goaway;
  goaway.set_reason(reason);
  goaway.set_close_code(static_cast<uint32_t>(code));
  out_ += control(seed_, FRAME_KIND_GOAWAY, goaway);
  link_->wake();
}

// --- Calls ---

uint32_t Session::open(int32_t cmd, const google::protobuf::Message& request, bool reliable) {
  std::lock_guard lock(mutex_);
  uint32_t id = next_call_;
  next_call_ += 2;
  calls_[id];
  DataFrame frame = of_call(FRAME_KIND_REQUEST, cmd, id);
  frame.set_payload(request.SerializeAsString());
  send(std::move(frame), reliable);
  return id;
}

DataFrame Session::next(uint32_t call_id) {
  std::unique_lock lock(mutex_);
  auto& arrived = calls_[call_id];
  if (!changed_.wait_for(lock, kTimeout, [&] { return !arrived.empty(); })) {
    send(of_call(FRAME_KIND_CANCEL, 0, call_id), true);
    calls_.erase(call_id);
    throw Refused(kDeadlineExceeded, "no answer in time");
  }
  DataFrame frame = std::move(arrived.front());
  arrived.pop_front();
  if (frame.kind() == FRAME_KIND_RESPONSE) calls_.erase(call_id);
  if (frame.status() != 0) throw Refused(frame.status(), frame.ext().message());
  return frame;
}

void Session::consumed(const DataFrame& item) {
  std::lock_guard lock(mutex_);
  Credit credit;
  credit.set_bytes(static_cast<uint32_t>(item.payload().size()) + kItemCost);
  DataFrame frame = of_call(FRAME_KIND_CREDIT, item.cmd(), item.call_id());
  frame.set_payload(credit.SerializeAsString());
  send(std::move(frame), true);
}

std::string Session::unary(int32_t cmd, const google::protobuf::Message& request, bool reliable) {
  return next(open(cmd, request, reliable)).payload();
}

void Session::note(int32_t cmd, const google::protobuf::Message& message) {
  std::lock_guard lock(mutex_);
  DataFrame frame;
  frame.set_cmd(cmd);
  frame.set_payload(message.SerializeAsString());
  send(std::move(frame), true);
}

std::string Session::ping(const std::string& payload) {
  std::unique_lock lock(mutex_);
  DataFrame frame;
  frame.set_kind(FRAME_KIND_PING);
  frame.set_payload(payload);
  write(std::move(frame));
  if (!changed_.wait_for(lock, kTimeout, [&] { return !pongs_.empty(); })) throw Refused(kDeadlineExceeded, "no pong");
  std::string pong = pongs_.front();
  pongs_.pop_front();
  return pong;
}

std::vector<int> Session::verdicts() {
  std::lock_guard lock(mutex_);
  return verdicts_;
}

int Session::asked_again() {
  std::lock_guard lock(mutex_);
  return asked_again_;
}

int Session::pings_answered() {
  std::lock_guard lock(mutex_);
  return pings_answered_;
}

// A framewire peer in C++ over TCP, written from docs/wire.md.
//
//   peer client URL VERSION    walks through everything a client does against a server of test.v1.TestService
//   peer decode                reads streams from standard input and prints their frames
//
// URL is tcp://host:port. README.md in the folder above says what is printed.
#include <iostream>
#include <sstream>

#include "session.h"
#include "test/v1/test_service.pb.h"

using namespace test::v1;

namespace {

constexpr int32_t kEcho = 257, kCount = 258, kNote = 261, kSample = 262;
constexpr uint32_t kInitialCredit = 16'384;
constexpr int64_t kLargeId = -(int64_t{1} << 53) - 1;
const char* const kGreeting = "Grüß dich, 世界";

void say(const std::string& line) { std::cout << line << std::endl; }

const char* same(bool is) { return is ? "same" : "DIFFERENT"; }

EchoRequest echo_of(const std::string& text) {
  EchoRequest request;
  request.set_text(text);
  return request;
}

NoteRequest note_of(int number) {
  NoteRequest request;
  request.set_text("note " + std::to_string(number) + "!");
  return request;
}

template <typename Message>
Message parsed(const std::string& payload) {
  Message message;
  if (!message.ParseFromString(payload)) throw std::runtime_error("a payload cannot be read");
  return message;
}

// Calls the method that streams, and gives credit for each item.
void count_up(Session& session) {
  CountRequest request;
  request.set_count(300);
  request.set_padding(1000);
  uint32_t call = session.open(kCount, request);
  int count = 0, sum = 0, last = 0;
  bool ordered = true;
  for (DataFrame frame = session.next(call); frame.kind() == framewire::v1::FRAME_KIND_ITEM; frame = session.next(call)) {
    int number = parsed<CountResponse>(frame.payload()).number();
    ordered = ordered && number > last;
    last = number;
    count++;
    sum += number;
    session.consumed(frame);
  }
  say("count " + std::to_string(count) + " sum " + std::to_string(sum) + " " + same(ordered));
}

void session_scenario(const std::string& host, const std::string& port) {
  Session session(host, port, kInitialCredit);
  say("welcome verdict " + std::to_string(session.verdicts()[0]));

  EchoRequest request = echo_of(kGreeting);
  request.set_id(kLargeId);
  for (int i = 0; i < 256; i++) request.mutable_data()->push_back(static_cast<char>(i));
  auto reply = parsed<EchoResponse>(session.unary(kEcho, request));
  say("echo " + reply.text() + " " + std::to_string(reply.id()) + " " + same(reply.data() == request.data()));

  try {
    session.unary(kEcho, echo_of("refuse"));
  } catch (const Refused& refused) {
    say("refused " + std::to_string(refused.status) + " " + refused.what());
  }

  request.Clear();
  request.set_data(std::string(700'000, '\0'));
  reply = parsed<EchoResponse>(session.unary(kEcho, request));
  say(std::string("large ") + same(reply.data() == request.data()));

  count_up(session);

  SampleRequest sample;
  sample.set_text("never sent again");
  say("sample " + parsed<SampleResponse>(session.unary(kSample, sample, false)).text());

  say("pong " + session.ping("are you there"));

  // The server hears nothing from us meanwhile and pings.
  request = echo_of("wait");
  request.set_delay_ms(600);
  session.unary(kEcho, request);
  say(std::string("answered pings ") + (session.pings_answered() > 0 ? "yes" : "no"));

  for (int number = 1; number <= 20; number++) session.note(kNote, note_of(number));
  for (const char* text : {"behind the notes", "damage the reply"}) {
    say("echo " + parsed<EchoResponse>(session.unary(kEcho, echo_of(text))).text());
  }
  say(std::string("asked again ") + (session.asked_again() > 0 ? "yes" : "no"));

  // The server cuts the connection before it answers.
  reply = parsed<EchoResponse>(session.unary(kEcho, echo_of("cut")));
  std::string verdicts;
  for (int verdict : session.verdicts()) verdicts += " " + std::to_string(verdict);
  say("echo " + reply.text() + " verdicts" + verdicts);
  session.close();
  say("closed");
}

// Version 1: no session. A reply has its request's cmd; replies of one cmd come in the order of the requests (6).
class PlainClient {
 public:
  PlainClient(const std::string& host, const std::string& port) : link_(host, port) {}

  void send(int32_t cmd, const google::protobuf::Message& message) {
    DataFrame frame;
    frame.set_cmd(cmd);
    frame.set_payload(message.SerializeAsString());
    out_ += encode(1, {}, frame);
  }

  // Writes what waits and gives the payload of the next reply. This program calls one command only, so it is the right one.
  std::string next_reply() {
    std::string in;
    while (true) {
      if (auto frame = decoder_.next(false)) return frame->payload;
      if (!link_.wait(out_, in, 1000)) throw std::runtime_error("the server closed");
      decoder_.push(in);
      in.clear();
    }
  }

 private:
  Link link_;
  Decoder decoder_;
  std::string out_;
};

void plain_scenario(const std::string& host, const std::string& port) {
  PlainClient client(host, port);
  for (const char* text : {kGreeting, "two", "three"}) {
    EchoRequest request = echo_of(text);
    request.set_id(kLargeId);
    client.send(kEcho, request);
  }
  for (int i = 0; i < 3; i++) {
    auto reply = parsed<EchoResponse>(client.next_reply());
    say("echo " + reply.text() + " " + std::to_string(reply.id()));
  }
  EchoRequest large;
  large.set_data(std::string(700'000, '\0'));
  client.send(kEcho, large);
  say(std::string("large ") + same(parsed<EchoResponse>(client.next_reply()).data() == large.data()));
  for (int number = 1; number <= 20; number++) client.send(kNote, note_of(number));
  client.send(kEcho, echo_of("behind the notes"));
  say("echo " + parsed<EchoResponse>(client.next_reply()).text());
  say("closed");
}

std::string from_hex(const std::string& hex) {
  std::string bytes;
  for (size_t at = 0; at + 1 < hex.size(); at += 2) bytes += static_cast<char>(std::stoi(hex.substr(at, 2), nullptr, 16));
  return bytes;
}

std::string to_hex(const std::string& bytes) {
  std::string hex;
  for (unsigned char byte : bytes) {
    hex += "0123456789abcdef"[byte >> 4];
    hex += "0123456789abcdef"[byte & 15];
  }
  return hex;
}

// One stream a line: chunk size (0 = whole), magic, minVersion, seed or -, maxPayload, maxTrailer, bytes in hex.
void decode() {
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    size_t size;
    int32_t magic;
    std::string seed, hex;
    words >> size >> magic;
    Decoder decoder(magic);
    words >> decoder.min_version >> seed >> decoder.max_payload >> decoder.max_trailer >> hex;
    if (seed != "-") decoder.seed = static_cast<uint32_t>(std::stoul(seed));
    std::string stream = from_hex(hex), found;
    auto take = [&](bool last) {
      while (auto frame = decoder.next(last)) {
        found += (found.empty() ? "" : " ") + std::to_string(frame->version) + ":" + std::to_string(frame->cmd) + ":";
        found += to_hex(frame->payload) + ":" + to_hex(frame->raw);
      }
    };
    if (size == 0) size = std::max<size_t>(1, stream.size());
    for (size_t at = 0; at < stream.size(); at += size) {
      decoder.push(stream.substr(at, size));
      take(false);
    }
    take(true);
    say(found);
  }
}

}  // namespace

int main(int count, char** arguments) {
  try {
    std::string mode = count > 1 ? arguments[1] : "";
    if (mode == "decode") {
      decode();
    } else if (mode == "client" && count > 3) {
      std::string url = arguments[2];
      std::string address = url.substr(std::string("tcp://").size());
      std::string host = address.substr(0, address.rfind(':')), port = address.substr(address.rfind(':') + 1);
      if (std::string(arguments[3]) == "1") {
        plain_scenario(host, port);
      } else {
        session_scenario(host, port);
      }
    } else {
      throw std::runtime_error("peer client URL VERSION | peer decode");
    }
  } catch (const std::exception& error) {
    std::cerr << error.what() << std::endl;
    return 1;
  }
  return 0;
}

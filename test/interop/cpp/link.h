// A TCP link, read and written by one thread.
#pragma once

#include <string>

// Only the thread that calls `wait` may call the others, save for `wake`.
class Link {
 public:
  // Throws std::runtime_error if nobody listens.
  Link(const std::string& host, const std::string& port);
  ~Link();
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  // Waits until bytes came, `wake` was called or the time is up, and writes as much of `out` as the network takes.
  // What came is added to `in`. False: the link is over.
  bool wait(std::string& out, std::string& in, int timeout_ms);
  // Ends a `wait` of another thread.
  void wake();

 private:
  int socket_;
  int wakeup_;
};

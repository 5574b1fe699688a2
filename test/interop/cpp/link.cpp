#include "link.h"

#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <stdexcept>

Link::Link(const std::string& host, const std::string& port) : wakeup_(eventfd(0, EFD_NONBLOCK)) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* address = nullptr;
  if (getaddrinfo(host.c_str(), port.c_str(), &hints, &address) != 0) throw std::runtime_error("unknown host " + host);
  socket_ = socket(address->ai_family, SOCK_STREAM, 0);
  int connected = connect(socket_, address->ai_addr, address->ai_addrlen);
  freeaddrinfo(address);
  if (connected != 0) {
    close(socket_);
    close(wakeup_);
    throw std::runtime_error("nobody listens at " + host + ":" + port);
  }
  int on = 1;
  setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

Link::~Link() {
  close(socket_);
  close(wakeup_);
}

void Link::wake() {
  uint64_t one = 1;
  if (write(wakeup_, &one, sizeof one) < 0) {
    // The counter is full: it is awake already.
  }
}

bool Link::wait(std::string& out, std::string& in, int timeout_ms) {
  pollfd waiting[] = {{socket_, static_cast<short>(POLLIN | (out.empty() ? 0 : POLLOUT)), 0}, {wakeup_, POLLIN, 0}};
  poll(waiting, 2, timeout_ms);
  if (waiting[1].revents != 0) {
    uint64_t count;
    if (read(wakeup_, &count, sizeof count) < 0) return false;
  }
  if ((waiting[0].revents & POLLOUT) != 0) {
    ssize_t written = send(socket_, out.data(), out.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (written < 0 && errno != EAGAIN) return false;
    if (written > 0) out.erase(0, static_cast<size_t>(written));
  }
  if ((waiting[0].revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
    char buffer[65536];
    ssize_t count = recv(socket_, buffer, sizeof buffer, MSG_DONTWAIT);
    if (count == 0 || (count < 0 && errno != EAGAIN)) return false;
    if (count > 0) in.append(buffer, static_cast<size_t>(count));
  }
  return true;
}

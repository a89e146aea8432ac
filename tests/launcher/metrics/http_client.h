// A minimal HTTP client for tests: one request on one connection to this host.
#pragma once

#include <arpa/inet.h>
#include <array>
#include <netinet/in.h>
#include <stdexcept>
#include <string>
#include <sys/socket.h>
#include <unistd.h>

namespace lockstep::testing_support {

struct HttpAnswer {
  int code = 0;
  std::string head, body;
};

/// A connected socket to 127.0.0.1; the caller closes it.
inline int connect_to(int64_t port) {
  const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in place{};
  place.sin_family = AF_INET;
  place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  place.sin_port = htons(static_cast<uint16_t>(port));
  if (descriptor < 0 || ::connect(descriptor, reinterpret_cast<const sockaddr*>(&place), sizeof place) != 0)
    throw std::runtime_error("cannot connect to port " + std::to_string(port));
  return descriptor;
}

inline HttpAnswer http_get(int64_t port, const std::string& path) {
  const int descriptor = connect_to(port);
  const std::string request = "GET " + path + " HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n";
  std::string text;
  if (::send(descriptor, request.data(), request.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(request.size())) {
    std::array<char, 4096> buffer;
    for (ssize_t got; (got = ::recv(descriptor, buffer.data(), buffer.size(), 0)) > 0;)
      text.append(buffer.data(), static_cast<size_t>(got));
  }
  ::close(descriptor);
  const size_t end = text.find("\r\n\r\n");
  if (!text.starts_with("HTTP/1.1 ") || end == text.npos) throw std::runtime_error("not an HTTP answer: " + text);
  return {std::stoi(text.substr(9, 3)), text.substr(0, end), text.substr(end + 4)};
}

}  // namespace lockstep::testing_support

// SPDX-License-Identifier: Apache-2.0
// Names of the status codes.
#include "jang/status.h"

namespace jang {

std::string_view to_string(StatusCode code) {
  switch (code) {
    case StatusCode::ok: return "ok";
    case StatusCode::invalid_argument: return "invalid_argument";
    case StatusCode::not_found: return "not_found";
    case StatusCode::corrupt: return "corrupt";
    case StatusCode::unsupported: return "unsupported";
    case StatusCode::io: return "io";
    case StatusCode::out_of_memory: return "out_of_memory";
    case StatusCode::device: return "device";
    case StatusCode::cancelled: return "cancelled";
  }
  return "unknown";
}

}  // namespace jang

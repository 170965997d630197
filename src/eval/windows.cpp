// SPDX-License-Identifier: Apache-2.0
// One row per protocol; one walk over the stream.
#include "eval/windows.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/check.h"

namespace jang::eval {
namespace {

struct WindowConvention {
  std::string_view name;
  std::int64_t ctx, stride;  // stride 0: the windows do not overlap
  bool second_half, begin_each, keep_incomplete;
};
constexpr std::array<WindowConvention, 4> kProtocols = {{
    {"windows", 512, 0, false, false, false},
    {"gptq", 2048, 0, false, false, false},
    {"llama.cpp", 512, 0, true, true, false},
    {"sliding", 1024, 512, false, false, true},
}};
constexpr auto kNames = [] {
  std::array<std::string_view, kProtocols.size()> names;
  for (std::size_t i = 0; i < names.size(); ++i) names[i] = kProtocols[i].name;
  return names;
}();

Status invalid(std::string message) { return {StatusCode::invalid_argument, std::move(message)}; }

}  // namespace

std::span<const std::string_view> protocol_names() { return kNames; }

Result<Protocol> make_protocol(std::string_view name, std::optional<std::int64_t> ctx, std::optional<std::int64_t> stride) {
  const auto row = std::find_if(kProtocols.begin(), kProtocols.end(), [&](const WindowConvention& r) { return r.name == name; });
  if (row == kProtocols.end()) return invalid(fmt::format("no protocol {}; there are {}", name, fmt::join(kNames, ", ")));
  Protocol p;
  p.name = name;
  p.ctx = ctx.value_or(row->ctx);
  if (p.ctx < 2 || p.ctx > kMaxContext) return invalid(fmt::format("a context of {} tokens; 2 to {} are possible", p.ctx, kMaxContext));
  if (stride && row->stride == 0) return invalid(fmt::format("protocol {} has no stride; `sliding` does", name));
  p.stride = row->stride == 0 ? p.ctx : stride.value_or(std::min(row->stride, std::max<std::int64_t>(1, p.ctx / 2)));
  if (p.stride < 1 || (row->stride != 0 && p.stride >= p.ctx))
    return invalid(fmt::format("a stride of {} tokens; it must be below the context of {}", p.stride, p.ctx));
  p.second_half = row->second_half;
  p.begin_each = row->begin_each;
  p.keep_incomplete = row->keep_incomplete;
  return p;
}

Result<std::vector<Window>> make_windows(std::int64_t n_tokens, const Protocol& protocol) {
  JANG_CHECK(protocol.ctx >= 2 && protocol.stride >= 1);
  std::vector<Window> windows;
  std::int64_t reached = 0;  // tokens before this one are scored, or never will be
  for (std::int64_t begin = 0; begin < n_tokens && reached < n_tokens; begin += protocol.stride) {
    const std::int64_t n = std::min(protocol.ctx, n_tokens - begin);
    if (n < protocol.ctx && !protocol.keep_incomplete) break;
    // llama-perplexity starts at the logits of position ctx / 2, which score the token after it.
    const std::int64_t first = protocol.second_half ? protocol.ctx / 2 + 1 : std::max<std::int64_t>(1, reached - begin);
    if (first < n) windows.push_back({begin, n, first});
    reached = begin + n;
  }
  if (windows.empty())
    return invalid(
        fmt::format("the text has {} tokens, fewer than one window of {}; give more text or a smaller --ctx", n_tokens, protocol.ctx));
  return windows;
}

}  // namespace jang::eval

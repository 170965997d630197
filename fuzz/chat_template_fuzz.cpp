// SPDX-License-Identifier: Apache-2.0
// A chat template of any bytes: parsed, and rendered with a fixed conversation. Oracle: what is rendered is valid UTF-8 within the bound
// that the input sets, rendering again gives the same, and the segments are never empty and add up to the text.
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "base/utf8.h"
#include "text/chat_template.h"

namespace {

constexpr const char* kVariables = R"({
  "messages": [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": [{"type": "text", "text": "naïve <|end|>"}, {"type": "image"}]},
    {"role": "assistant", "content": null, "reasoning_content": "hm",
     "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": {"a": [1, 2.5, null, true], "b": "x\ny"}}}]},
    {"role": "tool", "tool_call_id": "c1", "content": "{\"ok\": 1}"}],
  "tools": [{"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object", "properties": {}}}}],
  "add_generation_prompt": true, "x": "abc", "y": -3, "z": [3, 1, 2]})";

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const jang::json::Value variables = [] {
    auto parsed = jang::json::parse(kVariables, "variables");
    JANG_CHECK(parsed.ok());
    return parsed.value();
  }();
  if (size > 4096) return 0;
  auto program = jang::text::ChatTemplate::parse(std::string(reinterpret_cast<const char*>(data), size), "input");
  if (!program.ok()) {
    JANG_CHECK(!program.status().message().empty());
    return 0;
  }
  program->set_max_steps(20000);  // what a step may cost is bounded; how many there are adds nothing here
  program->set_special_token("bos_token", "<s>");
  const auto segments = program->render_segments(variables);
  const auto text = program->render(variables);
  JANG_CHECK(segments.ok() == text.ok());
  if (!text.ok()) {
    JANG_CHECK(segments.status().message() == text.status().message());
    return 0;
  }
  std::string whole;
  for (const auto& segment : *segments) {
    JANG_CHECK(!segment.text.empty());
    whole += segment.text;
  }
  JANG_CHECK(whole == *text);
  JANG_CHECK(jang::utf8::is_valid(whole));
  JANG_CHECK(whole.size() <= 4 * (size + std::string(kVariables).size() * 2) + (1u << 20) + (16u << 20));
  return 0;
}

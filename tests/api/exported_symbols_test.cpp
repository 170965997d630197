// SPDX-License-Identifier: Apache-2.0
// What libjang.so shows: the classes and functions of include/jang and the C functions, nothing of what is inside or of other libraries.
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "../support/paths.h"

namespace {

std::string output_of(const std::string& command) {
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "r"), pclose);
  std::string text;
  std::array<char, 4096> buffer{};
  for (std::size_t n = 0; pipe && (n = std::fread(buffer.data(), 1, buffer.size(), pipe.get())) > 0;) text.append(buffer.data(), n);
  return text;
}

// Demangled names of the defined dynamic symbols, without what stands for a class as a whole.
std::vector<std::string> exported_names() {
  const std::string text = output_of("nm -D -C --defined-only " + jang::test::binary_dir() + "/libjang.so");
  std::vector<std::string> names;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    std::string name = text.substr(at, end - at);
    at = end + 1;
    if (name.size() < 20) continue;
    name = name.substr(19);  // behind the address and the kind
    for (const std::string_view prefix : {"typeinfo for ", "typeinfo name for ", "vtable for "})
      if (name.starts_with(prefix)) name = name.substr(prefix.size());
    names.push_back(name);
  }
  return names;
}

// jang::name, not jang::folder::name: namespaces below jang are the inside.
bool is_public(const std::string& name) {
  if (name.starts_with("jang_")) return true;
  if (!name.starts_with("jang::")) return false;
  const std::string rest = name.substr(6, name.find('(') == std::string::npos ? std::string::npos : name.find('(') - 6);
  return !rest.empty() && (rest.find("::") == std::string::npos || (rest[0] >= 'A' && rest[0] <= 'Z'));
}

TEST(ExportedSymbols, are_those_of_the_public_api_only) {
  const std::vector<std::string> names = exported_names();
  ASSERT_GT(names.size(), 60u) << "nm said nothing of libjang.so";
  for (const std::string& name : names) EXPECT_TRUE(is_public(name)) << name;
}

TEST(ExportedSymbols, hold_every_entry_of_the_headers) {
  const std::vector<std::string> names = exported_names();
  const auto has = [&](std::string_view prefix) {
    for (const std::string& name : names)
      if (name.starts_with(prefix)) return true;
    return false;
  };
  for (const std::string_view name : {"jang::Model::open(",
                                      "jang::Session::generate(",
                                      "jang::Tokenizer::encode(",
                                      "jang::Detokenizer::push",
                                      "jang::ChatTemplate::tokens(",
                                      "jang::plan_model(",
                                      "jang::convert_model(",
                                      "jang::calibrate_model(",
                                      "jang::distill_bundle(",
                                      "jang::measure_perplexity(",
                                      "jang::compare_recipes(",
                                      "jang::inspect_model(",
                                      "jang::validate_model(",
                                      "jang::bench_model(",
                                      "jang::bench_kernels(",
                                      "jang::compute_logits(",
                                      "jang::profiles()",
                                      "jang::machine_facts()",
                                      "jang::check_backend(",
                                      "jang::cuda_facts()",
                                      "jang::find_model(",
                                      "jang::version()",
                                      "jang_model_open",
                                      "jang_tokenize",
                                      "jang_convert",
                                      "jang_session_generate",
                                      "jang_error_message"})
    EXPECT_TRUE(has(name)) << name;
}

}  // namespace

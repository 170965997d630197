// SPDX-License-Identifier: Apache-2.0
// `jang tokenize` on the example model: what it prints for each way in, and how it fails.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include <unistd.h>

#include "../support/program.h"
#include "cli/commands.h"
#include "cli/tokenize.h"
#include "json/json.h"

namespace jang::cli {
namespace {

using namespace jang::test;

ProgramOutcome run(std::vector<std::string> words) {
  words.insert(words.begin(), "tokenize");
  const Result<Arguments> arguments = parse_arguments(words);
  if (!arguments.ok()) return {-1, "", arguments.status().message()};
  ::testing::internal::CaptureStdout();
  ::testing::internal::CaptureStderr();
  const int code = run_tokenize(arguments.value(), Surroundings());
  return {code, ::testing::internal::GetCapturedStdout(), ::testing::internal::GetCapturedStderr()};
}

class InputFileFixture : public ::testing::Test {
 protected:
  std::string write(const std::string& text) {
    if (path_.ends_with("XXXXXX")) {
      const int fd = mkstemp(path_.data());
      EXPECT_GE(fd, 0);
      close(fd);
    }
    std::ofstream(path_, std::ios::binary) << text;
    return path_;
  }
  void TearDown() override { unlink(path_.c_str()); }
  std::string path_ = ::testing::TempDir() + "jang_tokenize_XXXXXX";
};
using Tokenize = InputFileFixture;

TEST_F(Tokenize, prints_ids_and_takes_them_back) {
  EXPECT_EQ(run({kBundledModel, "-p", "Hello world"}).out, "42 510 81 1015\n");
  EXPECT_EQ(run({kBundledModel, "--decode", "-p", "42 510, 81\n[1015]"}).out, "Hello world\n");
}

TEST_F(Tokenize, reads_a_file_byte_for_byte) {
  const ProgramOutcome encoded = run({kBundledModel, "-f", write("Hello world\n"), "--json"});
  const json::Value document = json::parse(encoded.out, "out").value();
  EXPECT_EQ(document["schema_version"], 1);
  EXPECT_EQ(document["count"], 5);
  EXPECT_EQ(document["ids"].size(), 5u);
  EXPECT_EQ(document["tokens"][0], "H");
  EXPECT_EQ(document["tokens"][4], "\xc4\x8a");
}

TEST_F(Tokenize, many_inputs_come_as_lines) {
  const ProgramOutcome encoded = run({kBundledModel, "-f", write("\"Hello\"\n\"a\\nb\"\n"), "--jsonl"});
  EXPECT_EQ(encoded.out,
            "{\"schema_version\":1,\"count\":3,\"ids\":[42,510,81]}\n{\"schema_version\":1,\"count\":3,\"ids\":[67,201,68]}\n");
  EXPECT_EQ(run({kBundledModel, "-f", write("[42,510,81]\n"), "--jsonl", "--decode"}).out,
            "{\"schema_version\":1,\"count\":3,\"text\":\"Hello\"}\n");
}

TEST_F(Tokenize, special_tokens_obey_their_flags) {
  EXPECT_EQ(run({kBundledModel, "-p", "<|endoftext|>"}).out, "0\n");
  EXPECT_NE(run({kBundledModel, "-p", "<|endoftext|>", "--plain"}).out, "0\n");
  EXPECT_EQ(run({kBundledModel, "--decode", "-p", "0 42"}).out, "<|endoftext|>H\n");
  EXPECT_EQ(run({kBundledModel, "--decode", "-p", "0 42", "--no-special"}).out, "H\n");
}

TEST_F(Tokenize, failures_have_their_codes) {
  EXPECT_EQ(run({"/no/such/model", "-p", "a"}).code, 3);
  EXPECT_EQ(run({kBundledModel, "-p", "\xff"}).code, 3);
  EXPECT_EQ(run({kBundledModel, "--decode", "-p", "x"}).code, 3);
  EXPECT_EQ(run({kBundledModel, "-p", "a", "-f", "b"}).code, 2);
  EXPECT_EQ(run({kBundledModel, "-f", "/no/such/file"}).code, 3);
  EXPECT_EQ(run({kBundledModel, "-f", write("{}\n"), "--jsonl"}).code, 3);
}

}  // namespace
}  // namespace jang::cli

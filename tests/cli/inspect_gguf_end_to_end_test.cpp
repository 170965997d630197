// SPDX-License-Identifier: Apache-2.0
// `jang inspect FILE.gguf` on the file that gguf-py wrote for the fuzz target.
#include <fstream>

#include "../support/program.h"

namespace jang::cli {
namespace {

using namespace jang::test;

class InspectGguf : public ProgramTest {
 protected:
  const std::string file_ = source_dir() + "/fuzz/corpus/gguf/written_by_gguf_py";
  // The corpus has no endings, the program asks for one.
  std::string with_ending(std::size_t n_bytes) const {
    const std::string path = (dir_ / "small.gguf").string();
    std::ofstream(path, std::ios::binary) << read_file(file_).substr(0, n_bytes);
    return path;
  }
};

TEST_F(InspectGguf, shows_metadata_types_and_tensors) {
  const ProgramOutcome text = run({"inspect", with_ending(std::string::npos), "--tensors"});
  ASSERT_EQ(text.code, 0) << text.err;
  for (const char* part : {"GGUF version 3", "general.architecture = llama", "tokenizer.ggml.tokens = 2 values of kind string", "x = 2.5",
                           "Q4_0", "blk.0.attn_q.weight [2, 64]"})
    EXPECT_TRUE(contains(text.out, part)) << part << "\n" << text.out;
  const ProgramOutcome document = run({"inspect", with_ending(std::string::npos), "--json"});
  ASSERT_EQ(document.code, 0) << document.err;
  const json::Value v = json::parse(document.out, "document").value();
  EXPECT_EQ(v["params"], 4 + 128);
  EXPECT_EQ(v["tensor_bytes"], 16 + 72);
  EXPECT_EQ(v["tensors"][1]["type"], "Q4_0");
  EXPECT_EQ(v["metadata"]["flag"], "true");
}

TEST_F(InspectGguf, cut_file_is_invalid_input) {
  const ProgramOutcome cut = run({"inspect", with_ending(100)});
  EXPECT_EQ(cut.code, 3);
  EXPECT_TRUE(contains(cut.err, "small.gguf")) << cut.err;
}

}  // namespace
}  // namespace jang::cli

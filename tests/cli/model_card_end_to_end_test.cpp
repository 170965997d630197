// SPDX-License-Identifier: Apache-2.0
// The card in every bundle: what comes over from a source in the Hub cache, for two targets and through an export.
#include <gtest/gtest.h>

#include "../support/program.h"

namespace jang::cli {
namespace {

using namespace jang::test;
using ModelCardEndToEnd = ProgramTest;

TEST_F(ModelCardEndToEnd, names_source_recipe_commands_and_licence) {
  const std::string revision(40, 'a');
  const fs::path repository = dir_ / ".cache" / "huggingface" / "hub" / "models--jane--emma-9m";
  const fs::path snapshot = repository / "snapshots" / revision;
  fs::create_directories(repository / "refs");
  fs::create_directories(snapshot);
  std::ofstream(repository / "refs" / "main") << revision;
  for (const fs::directory_entry& entry : fs::directory_iterator(kBundledModel))
    fs::create_symlink(entry.path(), snapshot / entry.path().filename());
  std::ofstream(snapshot / "README.md") << "---\nlicense: gemma\nlanguage: [en]\ntags:\n- novels\n---\n# Emma\n";
  std::ofstream(snapshot / "LICENSE") << "terms";

  ASSERT_EQ(run({"convert", "jane/emma-9m", "-m", "rtn", "-o", "a", "-q"}).code, 0);
  const std::string card = read_file(dir_ / "a" / "README.md");
  for (const char* words :
       {"---\nlicense: gemma\nlanguage:\n- en\nbase_model: jane/emma-9m\nbase_model_relation: quantized\nlibrary_name: mlx\n", "- jang\n",
        "- novels\n", "| profile | JANG_4K |", "| method | rtn |", "jang run emma-9m-JANG_4K -p", "mlx_lm.generate --model emma-9m-JANG_4K",
        "That of the source: gemma."})
    EXPECT_TRUE(contains(card, words)) << words << "\n" << card;
  EXPECT_EQ(read_file(dir_ / "a" / "LICENSE"), "terms");
  EXPECT_EQ(run({"validate", "a", "--deep"}).code, 0);

  // The same card wherever it is made; an export keeps what the card of its bundle says.
  ASSERT_EQ(run({"convert", "jane/emma-9m", "-m", "rtn", "-o", "elsewhere", "-q", "-t", "1"}).code, 0);
  EXPECT_EQ(read_file(dir_ / "elsewhere" / "README.md"), card);
  ASSERT_EQ(run({"export", "a", "--target", "vllm", "-o", "b", "-q"}).code, 0);
  const std::string exported = read_file(dir_ / "b" / "README.md");
  for (const char* words :
       {"license: gemma", "base_model: jane/emma-9m", "library_name: vllm", "# a-vllm\n", "vllm serve a-vllm", "- novels\n"})
    EXPECT_TRUE(contains(exported, words)) << words << "\n" << exported;
  EXPECT_FALSE(contains(exported, "mlx\n")) << exported;
  EXPECT_EQ(run({"validate", "b"}).code, 0);
}

}  // namespace
}  // namespace jang::cli

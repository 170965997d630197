// SPDX-License-Identifier: Apache-2.0
// Every fault that was planted in a finished directory is found, whatever its target: a small mixture is converted once for each, and each
// case changes one thing of a copy. A case says where the finding is and words of its message, which tell what was found and expected.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <ranges>
#include <string>
#include <vector>

#include "../arch/fake_model.h"
#include "../support/contains.h"
#include "../support/paths.h"
#include "format/safetensors.h"
#include "quantize/check_loads.h"
#include "quantize/convert.h"

namespace jang::quantize {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kWeights = "model.safetensors", kIndexName = "model.safetensors.index.json";
const std::vector<std::string> kTargets = {"mlx", "vllm", "awq", "gptq"};

// A finished directory, to be changed.
class Planted {
 public:
  explicit Planted(fs::path path) : path_(std::move(path)) {}

  [[nodiscard]] const fs::path& path() const { return path_; }
  void edit(std::string_view file, const std::function<void(json::Value*)>& change) const {
    auto value = json::parse_file((path_ / file).string());
    ASSERT_TRUE(value.ok()) << value.status().message();
    change(&*value);
    std::ofstream(path_ / file) << json::dump(*value);
  }
  void set(const std::string& key, const json::Value& value) const {
    edit("config.json", [&](json::Value* config) { (*config)[key] = value; });
  }
  void quantization(const std::function<void(json::Value*)>& change) const {
    edit("config.json", [&](json::Value* config) {
      for (const char* key : {"quantization", "quantization_config"})
        if (config->contains(key)) change(&(*config)[key]);
    });
  }

  struct Stored {
    TensorInfo info;
    std::string bytes;
  };
  // Reads the weights, and writes them again in a file without an index, which would not list what is new.
  void rewrite(const std::function<void(std::vector<Stored>*)>& change) const {
    std::vector<Stored> tensors;
    {
      const auto checkpoint = format::Checkpoint::open(path_.string());
      ASSERT_TRUE(checkpoint.ok()) << checkpoint.status().message();
      for (const format::StoredTensor& t : checkpoint->tensors()) {
        std::string bytes(static_cast<std::size_t>(t.info.bytes()), '\0');
        ASSERT_TRUE(checkpoint->read(t, 0, std::as_writable_bytes(std::span(bytes))).ok());
        tensors.push_back({t.info, std::move(bytes)});
      }
    }
    change(&tensors);
    fs::remove(path_ / kIndexName);
    write(path_ / kWeights, tensors);
  }
  static void write(const fs::path& file, std::vector<Stored> tensors) {
    std::vector<TensorInfo> infos;
    std::string payload;
    for (Stored& t : tensors) {
      t.bytes.resize(static_cast<std::size_t>(t.info.bytes()));
      infos.push_back(t.info);
      payload += t.bytes;
    }
    std::ofstream(file, std::ios::binary) << format::make_safetensors_header(infos, {{"format", "pt"}}) << payload;
  }
  // The first tensor whose name ends so.
  static Stored& find(std::vector<Stored>* tensors, std::string_view end) {
    const auto found = std::ranges::find_if(*tensors, [&](const Stored& t) { return t.info.name.ends_with(end); });
    EXPECT_NE(found, tensors->end()) << end;
    return *found;
  }

 private:
  fs::path path_;
};

struct Fault {
  const char* name;
  std::vector<std::string> targets;
  std::function<void(const Planted&)> plant;
  const char* where;  // part of where the finding is
  std::vector<std::string> words;
  format::Severity severity = format::Severity::error;
};

Fault number_fault(const char* name, const char* key, int value, const char* where, std::vector<std::string> words) {
  return {name, kTargets, [=](const Planted& p) { p.set(key, value); }, where, std::move(words)};
}
Fault tensor_fault(const char* name, std::function<void(std::vector<Planted::Stored>*)> change, const char* where,
                   std::vector<std::string> words) {
  return {name, kTargets, [=](const Planted& p) { p.rewrite(change); }, where, std::move(words)};
}
Fault absent_file(const char* file) {
  return {file, kTargets, [=](const Planted& p) { fs::remove(p.path() / file); }, file, {"is absent", "side_files"}};
}
Fault index_fault(const char* name, std::function<void(json::Value*)> change, std::vector<std::string> words) {
  return {name, kTargets, [=](const Planted& p) { p.edit(kIndexName, [&](json::Value* index) { change(&(*index)["weight_map"]); }); },
          kIndexName.data(), std::move(words)};
}
Fault quantization_fault(const char* name, const char* target, std::function<void(json::Value*)> change, const char* where,
                         std::vector<std::string> words, format::Severity severity = format::Severity::error) {
  return {name, {target}, [=](const Planted& p) { p.quantization(change); }, where, std::move(words), severity};
}

// A plain norm of the first layer: the same name for all targets.
constexpr const char* kNorm = "model.layers.0.input_layernorm.weight";

void put_nan(std::vector<Planted::Stored>* tensors) {
  for (Planted::Stored& t : *tensors) {
    if (!t.info.name.ends_with("scales") && !t.info.name.ends_with("weight_scale")) continue;
    t.bytes.replace(2, 2, t.info.dtype == DType::bf16 ? std::string("\xc0\x7f") : std::string("\x00\x7e", 2));
    return;
  }
  ADD_FAILURE() << "no scales";
}

// q_proj of the first layer in 16 bits, and its config says so.
void unpack_query(const Planted& p) {
  p.rewrite([](std::vector<Planted::Stored>* tensors) {
    std::erase_if(*tensors, [](const Planted::Stored& t) { return t.info.name.starts_with("model.layers.0.self_attn.q_proj."); });
    tensors->push_back({{"model.layers.0.self_attn.q_proj.weight", DType::bf16, {128, 128}}, ""});
  });
  p.quantization([](json::Value* q) {
    if (q->contains("config_groups")) (*q)["ignore"].push_back("model.layers.0.self_attn.q_proj");
    if (q->contains("modules_to_not_convert")) (*q)["modules_to_not_convert"].push_back("layers.0.self_attn.q_proj");
    if (q->contains("lm_head")) (*q)["dynamic"]["-:model\\.layers\\.0\\.self_attn\\.q_proj"] = json::Value::object();
  });
}

std::vector<Fault> faults() {
  return {
      number_fault("more_layers", "num_hidden_layers", 3, "config.json", {"model.layers.2.", "missing", "3 layers"}),
      {"fewer_layers",
       kTargets,
       [](const Planted& p) {
         p.set("mlp_only_layers", json::Value::array());
         p.set("num_hidden_layers", 1);
       },
       "model.safetensors",
       {"model.layers.1.", "beyond the 1 layers"}},
      number_fault("hidden_size", "hidden_size", 64, "model.safetensors", {"config.json asks for shape", "the file has [512, 128]"}),
      number_fault("vocab_size", "vocab_size", 500, "model.safetensors", {"[500, 128]", "[512, 128]"}),
      number_fault("intermediate_size", "intermediate_size", 128, "model.safetensors", {"asks for shape", "256"}),
      number_fault("moe_intermediate_size", "moe_intermediate_size", 32, "model.safetensors", {"asks for shape", "64"}),
      number_fault("more_experts", "num_experts", 8, "model.safetensors", {"8", "4"}),
      number_fault("attention_heads", "num_attention_heads", 8, "model.safetensors", {"q_proj", "[256, 128]", "[128, 128]"}),
      number_fault("kv_heads", "num_key_value_heads", 1, "model.safetensors", {"k_proj", "[32, 128]", "[64, 128]"}),
      number_fault("head_dim", "head_dim", 16, "model.safetensors", {"asks for shape"}),
      number_fault("experts_per_token", "num_experts_per_tok", 5, "config.json", {"num_experts_per_tok"}),
      {"another_family", kTargets, [](const Planted& p) { p.set("model_type", "llama"); }, "", {"layers.0"}},
      tensor_fault("wrong_shape", [](auto* t) { Planted::find(t, kNorm).info.shape = {64}; }, "model.safetensors",
                   {kNorm, "asks for shape [128]", "has [64]"}),
      tensor_fault("missing_tensor", [](auto* t) { std::erase_if(*t, [](const auto& s) { return s.info.name == kNorm; }); }, "config.json",
                   {kNorm, "missing"}),
      tensor_fault("tensor_without_a_place",
                   [](auto* t) {
                     t->push_back({{"model.layers.0.self_attn.extra.weight", DType::bf16, {8, 8}}, ""});
                   },
                   "model.safetensors", {"model.layers.0.self_attn.extra.weight", "[8, 8]", "no place"}),
      tensor_fault("nan_scale", put_nan, "scale", {"element 1 is NaN", "of model.safetensors"}),
      tensor_fault("infinite_norm", [](auto* t) { Planted::find(t, kNorm).bytes.replace(0, 2, std::string("\x80\x7f", 2)); }, kNorm,
                   {"element 0 is NaN or infinite"}),
      index_fault("missing_shard", [](json::Value* map) { (*map)[kNorm] = "model-00002-of-00002.safetensors"; },
                  {"model-00002-of-00002.safetensors"}),
      index_fault("index_without_a_tensor", [](json::Value* map) { map->erase(kNorm); }, {kNorm, "does not list", "model.safetensors has"}),
      index_fault("index_with_a_ghost", [](json::Value* map) { (*map)["model.ghost.weight"] = "model.safetensors"; },
                  {"model.ghost.weight"}),
      {"index_with_the_wrong_file",
       kTargets,
       [](const Planted& p) {
         Planted::write(p.path() / "model-2.safetensors", {{{"model.layers.0.self_attn.rotary_emb.inv_freq", DType::f32, {4}}, ""}});
         p.edit(kIndexName, [](json::Value* index) { (*index)["weight_map"][kNorm] = "model-2.safetensors"; });
       },
       kIndexName.data(),
       {kNorm, "is in model.safetensors", "says model-2.safetensors"}},
      absent_file("tokenizer.json"),
      absent_file("tokenizer_config.json"),
      absent_file("chat_template.jinja"),
      {"tokenizer_of_another_maker",
       kTargets,
       [](const Planted& p) {
         fs::remove(p.path() / kIndexName);
         fs::remove(p.path() / "tokenizer.json");
       },
       "tokenizer.json",
       {"is absent"}},
      {"template_of_another_maker",
       kTargets,
       [](const Planted& p) {
         fs::remove(p.path() / kIndexName);
         fs::remove(p.path() / "chat_template.jinja");
       },
       "chat_template.jinja",
       {"is absent"},
       format::Severity::warning},
      quantization_fault("bits_of_a_module", "mlx", [](json::Value* q) { (*q)["model.layers.0.self_attn.q_proj"]["bits"] = 8; }, "",
                         {"model.layers.0.self_attn.q_proj", "8 bits", "fit only bits/group"}),
      quantization_fault("override_of_a_ghost", "mlx",
                         [](json::Value* q) {
                           (*q)["model.ghost"] = {{"bits", 4}, {"group_size", 64}};
                         },
                         "config.json", {"model.ghost", "has no scales"}),
      quantization_fault("left_out_but_packed", "mlx", [](json::Value* q) { (*q)["model.layers.0.self_attn.q_proj"] = false; }, "",
                         {"model.layers.0.self_attn.q_proj", "false"}),
      quantization_fault("bits_of_a_group", "vllm", [](json::Value* q) { (*q)["config_groups"]["group_0"]["weights"]["num_bits"] = 8; }, "",
                         {"module ", "8 bits", "contradict"}),
      quantization_fault("target_that_is_a_ghost", "vllm",
                         [](json::Value* q) { (*q)["config_groups"]["group_0"]["targets"].push_back("re:.*ghost"); }, "config.json",
                         {"re:.*ghost", "names no module"}),
      quantization_fault("ignored_but_packed", "vllm", [](json::Value* q) { (*q)["ignore"].push_back("re:.*q_proj$"); }, "",
                         {"q_proj", "re:.*q_proj$"}),
      quantization_fault("group_of_all", "awq", [](json::Value* q) { (*q)["group_size"] = 32; }, "", {"groups of 32", "module "}),
      quantization_fault("no_zero_points", "awq", [](json::Value* q) { (*q)["zero_point"] = false; }, "", {"zero_point is false"}),
      quantization_fault("not_converted_but_packed", "awq", [](json::Value* q) { (*q)["modules_to_not_convert"].push_back("k_proj"); }, "",
                         {"k_proj", "modules_to_not_convert"}),
      quantization_fault(
          "name_of_a_ghost", "awq", [](json::Value* q) { (*q)["modules_to_not_convert"].push_back("ghost"); }, "config.json",
          {"ghost", "part of no name"}, format::Severity::warning),
      quantization_fault("bits_of_all", "gptq", [](json::Value* q) { (*q)["bits"] = 8; }, "", {"4 bits by its shapes, 8 by config.json"}),
      quantization_fault("rule_for_a_ghost", "gptq",
                         [](json::Value* q) {
                           (*q)["dynamic"]["+:.*ghost"] = {{"bits", 8}};
                         },
                         "config.json", {"ghost", "no module"}),
      quantization_fault("rule_that_contradicts", "gptq",
                         [](json::Value* q) {
                           (*q)["dynamic"]["+:.*up_proj"] = {{"bits", 8}};
                         },
                         "", {"up_proj", "8 by config.json"}),
      {"plain_and_not_left_out",
       {"awq", "gptq", "vllm"},
       [](const Planted& p) {
         unpack_query(p);
         p.quantization([](json::Value* q) {
           for (const char* key : {"ignore", "modules_to_not_convert", "dynamic"})
             if (q->contains(key)) q->erase(key);
           if (q->contains("config_groups")) (*q)["config_groups"]["group_0"]["targets"] = {"Linear"};
         });
       },
       "model.layers.0.self_attn.q_proj.weight",
       {"is not packed", "a loader expects"}},
      {"fused_with_others", {"awq", "gptq", "vllm"}, unpack_query, "self_attn", {"fuses it with", "plain", "4 bits"}},
  };
}

class ValidateFaults : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    root_ = fs::temp_directory_path() / ("jang_faults_" + std::to_string(::getpid()));
    fs::remove_all(root_);
    fs::create_directories(root_ / "source");
    const fs::path words = fs::path(test::source_dir()) / "tests/data/bugs/16-side-files-left-behind/model";
    for (const char* file : {"tokenizer.json", "tokenizer_config.json", "chat_template.jinja"})
      fs::copy_file(words / file, root_ / "source" / file);
    const arch::testing::FakeModel model = arch::testing::qwen3_moe(arch::testing::Experts::each);
    std::ofstream(root_ / "source" / "config.json") << json::dump(model.config);
    std::vector<Planted::Stored> tensors;
    std::uint32_t random = 1;
    for (const TensorInfo& info : model.tensors) {
      std::string values(static_cast<std::size_t>(info.bytes()), '\0');
      for (std::size_t i = 0; i < values.size(); i += 2) {
        random = random * 1664525u + 1013904223u;
        values[i] = static_cast<char>(random >> 24);
        values[i + 1] = static_cast<char>(random >> 16 & 0x80u ? 0xbc : 0x3c);  // bf16 of 0.008 to 0.03, either sign
      }
      tensors.push_back({info, std::move(values)});
    }
    Planted::write(root_ / "source" / kWeights, std::move(tensors));
    for (const std::string& target : kTargets) {
      const Status s = convert_to(target);
      ASSERT_TRUE(s.ok()) << target << ": " << s.message();
    }
  }
  static void TearDownTestSuite() { fs::remove_all(root_); }

  static Status convert_to(const std::string& name) {
    plan::Options options;
    options.target = targets::find_target(name);
    options.profile = "uniform_4";
    JANG_ASSIGN(const Source source, open_source((root_ / "source").string(), {}, *options.target));
    JANG_ASSIGN(const plan::Plan plan, plan_source(source, options, "", {}));
    return convert(source, plan, (root_ / name).string(), false, {}).status();
  }
  // A directory that cannot be opened at all is told as its one finding.
  static std::vector<format::Finding> findings(const fs::path& path) {
    const auto found = validate_bundle(path.string(), {});
    if (found.ok()) return *found;
    return {{format::Severity::error, "", found.status().message()}};
  }
  static std::string text(const std::vector<format::Finding>& findings) {
    std::string out;
    for (const format::Finding& f : findings)
      out += std::string(format::severity_name(f.severity)) + ": " + f.where + ": " + f.message + "\n";
    return out;
  }

  static inline fs::path root_;
};

TEST_F(ValidateFaults, sound_directories_have_none) {
  for (const std::string& target : kTargets) EXPECT_EQ(text(findings(root_ / target)), "") << target;
  EXPECT_EQ(text(findings(root_ / "source")), "");
}

TEST_F(ValidateFaults, every_planted_fault_is_found) {
  int n_cases = 0;
  for (const Fault& fault : faults()) {
    for (const std::string& target : fault.targets) {
      SCOPED_TRACE(target + "-" + fault.name);
      const fs::path copy = root_ / (target + "-" + fault.name);
      fs::copy(root_ / target, copy, fs::copy_options::recursive);
      fault.plant(Planted(copy));
      const std::vector<format::Finding> found = findings(copy);
      const bool is_found = std::ranges::any_of(found, [&](const format::Finding& f) {
        return f.severity == fault.severity && test::contains(f.where, fault.where) &&
               std::ranges::all_of(fault.words, [&](const std::string& word) { return test::contains(f.where + ": " + f.message, word); });
      });
      EXPECT_TRUE(is_found) << text(found);
      fs::remove_all(copy);
      ++n_cases;
    }
  }
  EXPECT_GT(n_cases, 100);
}

// What a source says wrongly about itself is found too.
TEST_F(ValidateFaults, sources_are_described_too) {
  const fs::path copy = root_ / "source-copy";
  for (const char* key : {"num_hidden_layers", "hidden_size", "num_experts", "vocab_size"}) {
    fs::copy(root_ / "source", copy, fs::copy_options::recursive);
    Planted(copy).set(key, 3);
    EXPECT_TRUE(test::contains(text(findings(copy)), "error: ")) << key;
    fs::remove_all(copy);
  }
}

}  // namespace
}  // namespace jang::quantize

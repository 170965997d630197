// SPDX-License-Identifier: Apache-2.0
// Every check of a finished directory that needs no source. What cannot even be opened is a Status; faults inside are findings.
#include "format/targets/validate.h"

#include <algorithm>
#include <cstring>
#include <filesystem>

#include <fmt/format.h>

#include "base/file.h"
#include "format/checkpoint_files.h"
#include "format/targets/bundle.h"
#include "format/targets/side_files.h"
#include "format/targets/target.h"

namespace jang::format {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kReadBytes = 4u << 20;
constexpr std::string_view kIndex = "model.safetensors.index.json";
constexpr std::string_view kParameters[] = {"scales", "biases", "weight_scale", "weight_scale_inv"};
constexpr std::string_view kVocabularies[] = {"tokenizer.json", "tokenizer.model", "tiktoken.model",          "tekken.json", "spiece.model",
                                              "vocab.json",     "vocab.txt",       "sentencepiece.bpe.model", "vocab.bpe"};
constexpr std::string_view kTokenizerNotes[] = {"tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"};
constexpr std::string_view kTemplates[] = {"chat_template.jinja", "chat_template.json"};

class Validator {
 public:
  // `stored`: the directory as its files have it, where `bundle` may have tensors that are made of them.
  Validator(const Bundle& bundle, const Checkpoint& stored) : b_(bundle), c_(stored) {}

  std::vector<Finding> run(bool deep) {
    check_model_type();
    b_.target->check(b_, &findings_);
    check_index();
    check_side_files();
    check_values(deep);
    return std::move(findings_);
  }

 private:
  void error(const std::string& where, const std::string& message) { findings_.push_back({Severity::error, where, message}); }
  void warning(const std::string& where, const std::string& message) { findings_.push_back({Severity::warning, where, message}); }

  std::string file_of(const StoredTensor& t) const {
    return fs::path(c_.files()[static_cast<std::size_t>(t.file)].path()).filename().string();
  }
  bool has_file(std::string_view file) const {
    std::error_code ec;
    return fs::is_regular_file(fs::path(c_.path()) / file, ec);
  }

  void check_model_type() {
    const json::Value* type = json::find(c_.config(), "model_type");
    if (!type || !type->is_string()) error("config.json", "no model_type; the download may be partial");
  }

  // Names and files both ways, and total_size.
  void check_index() {
    if (!c_.missing().ok()) error(std::string(kIndex), c_.missing().message());
    for (const std::string& message : b_.checkpoint.warnings())
      if (message.find(kMovedTensors) == std::string::npos && message.find(kUnlistedTensors) == std::string::npos)
        warning(c_.path(), message);
    if (!has_file(kIndex)) {
      if (c_.files().size() > 1) warning(std::string(kIndex), "absent although there are several shards");
      return;
    }
    auto text = read_text(c_.path() + "/" + std::string(kIndex), kMaxIndexBytes);
    if (!text.ok()) return error(std::string(kIndex), text.status().message());
    auto index = parse_index(*text, kIndex, true);
    if (!index.ok()) return error(std::string(kIndex), index.status().message());
    for (const StoredTensor& t : c_.tensors()) check_place(*index, t);
    std::uint64_t payload = 0;
    for (const StoredTensor& t : c_.tensors()) payload += static_cast<std::uint64_t>(t.info.bytes());
    if (index->total_size && *index->total_size != payload && *index->total_size != c_.file_bytes())
      warning(std::string(kIndex), fmt::format("total_size is {}, the tensors take {}", *index->total_size, payload));
  }

  void check_place(const CheckpointIndex& index, const StoredTensor& t) {
    const std::string file = file_of(t);
    if (std::ranges::find(index.files, file) == index.files.end()) return;  // Checkpoint::open has warned of files beside the index
    const auto entry = std::ranges::lower_bound(index.weights, t.info.name, {}, &std::pair<std::string, int>::first);
    if (entry == index.weights.end() || entry->first != t.info.name)
      error(std::string(kIndex), fmt::format("does not list the tensor {}, which {} has", t.info.name, file));
    else if (const std::string& said = index.files[static_cast<std::size_t>(entry->second)]; said != file)
      error(std::string(kIndex), fmt::format("the tensor {} is in {}, the index says {}", t.info.name, file, said));
  }

  // What came along from the source and is gone. Directories of other makers do not say what did: then one file tells of another.
  void check_side_files() {
    if (const auto recorded = targets::recorded_side_files(c_.path())) {
      for (const std::string& name : *recorded)
        if (!has_file(name)) error(name, fmt::format("is absent; the conversion wrote it ({}: side_files)", kIndex));
      return;
    }
    if (!b_.is_quantized) return;
    const auto has_any = [&](const auto& names) { return std::ranges::any_of(names, [&](std::string_view n) { return has_file(n); }); };
    if (!has_any(kTokenizerNotes)) return;
    if (!has_any(kVocabularies))
      error("tokenizer.json", "is absent, and so is every other file with a vocabulary; tokenizer_config.json or the like is there");
    if (!has_any(kTemplates) && !has_template_in_config())
      warning("chat_template.jinja", "is absent, and there is no other chat template; models that chat have one");
  }

  bool has_template_in_config() const {
    std::error_code ec;
    if (fs::is_directory(fs::path(c_.path()) / "additional_chat_templates", ec)) return true;
    const auto config = json::parse_file(c_.path() + "/tokenizer_config.json", {.dialect = json::Dialect::python});
    return config.ok() && json::find(*config, "chat_template") != nullptr;
  }

  // Floats that decide about many weights each are read always: parameters of packed modules, norms and biases. They are few.
  void check_values(bool deep) {
    for (const StoredTensor& t : c_.tensors()) {
      const std::string_view leaf = std::string_view(t.info.name).substr(t.info.name.rfind('.') + 1);
      const bool is_parameter = std::ranges::find(kParameters, leaf) != std::end(kParameters);
      if (deep || is_parameter || t.info.shape.size() <= 1) check_floats(t, is_parameter && leaf != "biases");
    }
  }

  void check_floats(const StoredTensor& t, bool is_scales) {
    if (!info(t.info.dtype).is_float || size_bytes(t.info.dtype) == 1) return;
    const std::uint64_t total = static_cast<std::uint64_t>(t.info.bytes());
    std::vector<std::byte> buffer(std::min<std::uint64_t>(kReadBytes, total));
    bool any_nonzero = total == 0;
    for (std::uint64_t at = 0; at < total; at += buffer.size()) {
      const auto part = std::span(buffer).first(std::min<std::uint64_t>(buffer.size(), total - at));
      if (Status s = c_.read(t, at, part); !s.ok()) return error(t.info.name, s.message());
      const std::int64_t bad = first_not_finite(t.info.dtype, part, any_nonzero);
      if (bad < 0) continue;
      const std::uint64_t size = static_cast<std::uint64_t>(size_bytes(t.info.dtype)), byte = at + static_cast<std::uint64_t>(bad) * size;
      return error(t.info.name, fmt::format("element {} is NaN or infinite, expected is a finite number; it is at byte {} of {}",
                                            byte / size, t.offset_bytes + byte, file_of(t)));
    }
    if (is_scales && !any_nonzero) warning(t.info.name, "every scale is zero");
  }

  // Exponent all ones = NaN or infinity, in each float type.
  static std::int64_t first_not_finite(DType dtype, std::span<const std::byte> bytes, bool& any_nonzero) {
    const auto scan = [&]<typename T>(T exponent, T magnitude) -> std::int64_t {
      for (std::size_t i = 0; i * sizeof(T) < bytes.size(); ++i) {
        T bits;
        std::memcpy(&bits, bytes.data() + i * sizeof(T), sizeof(T));
        if ((bits & exponent) == exponent) return static_cast<std::int64_t>(i);
        any_nonzero |= (bits & magnitude) != 0;
      }
      return -1;
    };
    switch (dtype) {
      case DType::bf16: return scan(std::uint16_t{0x7f80}, std::uint16_t{0x7fff});
      case DType::f16: return scan(std::uint16_t{0x7c00}, std::uint16_t{0x7fff});
      case DType::f32: return scan(std::uint32_t{0x7f800000}, std::uint32_t{0x7fffffff});
      default: return scan(std::uint64_t{0x7ff0000000000000}, std::uint64_t{0x7fffffffffffffff});
    }
  }

  const Bundle& b_;
  const Checkpoint& c_;
  std::vector<Finding> findings_;
};

}  // namespace

std::string_view severity_name(Severity severity) { return severity == Severity::error ? "error" : "warning"; }

Result<std::vector<Finding>> validate(const std::string& path, const ValidateOptions& options) {
  const Result<Bundle> bundle = open_bundle(path);
  if (bundle.ok()) {
    JANG_ASSIGN(const Checkpoint stored, Checkpoint::open(path));
    return Validator(*bundle, stored).run(options.deep);
  }
  // The files open but contradict the configuration: a fault inside. Files that do not open at all stay an error.
  if (bundle.status().code() != StatusCode::corrupt || !Checkpoint::open(path).ok()) return bundle.status();
  return std::vector<Finding>{{Severity::error, path, bundle.status().message()}};
}

}  // namespace jang::format

// SPDX-License-Identifier: Apache-2.0
// Every check of a finished directory that needs no source. What cannot even be opened is a Status; faults inside are findings.
#include "format/targets/validate.h"

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "format/targets/bundle.h"
#include "format/targets/target.h"

namespace jang::format {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kReadBytes = 4u << 20;

class Validator {
 public:
  explicit Validator(const Bundle& bundle) : b_(bundle), c_(bundle.checkpoint) {}

  std::vector<Finding> run(bool deep) {
    check_model_type();
    b_.target->check(b_, &findings_);
    check_index();
    if (deep) check_values();
    return std::move(findings_);
  }

 private:
  void error(const std::string& where, const std::string& message) { findings_.push_back({Severity::error, where, message}); }
  void warning(const std::string& where, const std::string& message) { findings_.push_back({Severity::warning, where, message}); }

  bool has_file(const char* file) const {
    std::error_code ec;
    return fs::is_regular_file(fs::path(c_.path()) / file, ec);
  }

  void check_model_type() {
    const json::Value* type = json::find(c_.config(), "model_type");
    if (!type || !type->is_string()) error("config.json", "no model_type; the download may be partial");
  }

  // Checkpoint::open has compared names and files both ways; total_size is left.
  void check_index() {
    if (!c_.missing().ok()) error("model.safetensors.index.json", c_.missing().message());
    for (const std::string& message : c_.warnings()) warning(c_.path(), message);
    if (!has_file("model.safetensors.index.json")) {
      if (c_.files().size() > 1) warning("model.safetensors.index.json", "absent although there are several shards");
      return;
    }
    auto index = json::parse_file(c_.path() + "/model.safetensors.index.json");
    if (!index.ok()) return error("model.safetensors.index.json", index.status().message());
    const json::Value* metadata = json::find(*index, "metadata");
    if (!metadata) return;
    std::int64_t payload = 0;
    for (const StoredTensor& t : c_.tensors()) payload += t.info.bytes();
    auto total = json::get_int(*metadata, "total_size", payload, 0, INT64_MAX);
    if (!total.ok()) return error("model.safetensors.index.json", total.status().message());
    if (*total != payload && *total != static_cast<std::int64_t>(c_.file_bytes()))
      warning("model.safetensors.index.json", "total_size is " + std::to_string(*total) + ", the tensors take " + std::to_string(payload));
  }

  // Every float of planes and plain tensors is finite; all-zero scales of a whole module are suspicious.
  void check_values() {
    for (const BundleModule& m : b_.modules)
      for (std::size_t p = 0; p < m.planes.size(); ++p) check_floats(m.planes[p], m.format->planes()[p].name == "scales");
    for (const int i : b_.plain) check_floats(i, false);
  }

  void check_floats(int tensor, bool is_scales) {
    const StoredTensor& t = c_.tensors()[static_cast<std::size_t>(tensor)];
    if (!info(t.info.dtype).is_float || size_bytes(t.info.dtype) == 1) return;
    const std::uint64_t total = static_cast<std::uint64_t>(t.info.bytes());
    std::vector<std::byte> buffer(std::min<std::uint64_t>(kReadBytes, total));
    bool any_nonzero = total == 0;
    for (std::uint64_t at = 0; at < total; at += buffer.size()) {
      const auto part = std::span(buffer).first(std::min<std::uint64_t>(buffer.size(), total - at));
      if (Status s = c_.read(t, at, part); !s.ok()) return error(t.info.name, s.message());
      if (const std::int64_t bad = first_not_finite(t.info.dtype, part, any_nonzero); bad >= 0)
        return error(t.info.name,
                     "element " +
                         std::to_string(at / static_cast<std::uint64_t>(size_bytes(t.info.dtype)) + static_cast<std::uint64_t>(bad)) +
                         " is NaN or infinite");
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
  if (bundle.ok()) return Validator(*bundle).run(options.deep);
  // The files open but contradict the configuration: a fault inside. Files that do not open at all stay an error.
  if (bundle.status().code() != StatusCode::corrupt || !Checkpoint::open(path).ok()) return bundle.status();
  return std::vector<Finding>{{Severity::error, path, bundle.status().message()}};
}

}  // namespace jang::format

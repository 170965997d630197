// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "experiment/gguf/model.h"

#include "format/targets/targets.h"
#include "quantize/tied_head.h"

namespace jang::experiment {

Result<GgufModel> describe_for_gguf(const quantize::Source& source) {
  std::vector<TensorInfo> infos;
  for (const format::StoredTensor& t : source.checkpoint.tensors()) infos.push_back(t.info);
  JANG_ASSIGN(const arch::SourceFacts facts, quantize::source_facts(source.checkpoint));
  GgufModel m;
  JANG_ASSIGN(m.model, targets::describe_canonical(source.checkpoint.config(), infos, facts));
  JANG_ASSIGN(m.config, arch::decoder_config(m.model));
  JANG_ASSIGN(m.tensors, targets::gguf::counterparts(m.model, m.config));
  return m;
}

}  // namespace jang::experiment

// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "base/phases.h"

#include <algorithm>

#include "base/check.h"

namespace jang {

void begin_phase(Observer& observer, std::string_view name, std::string_view counted) {
  observer.phase(0, 0, name);  // whoever runs the command numbers it
  if (!counted.empty()) observer.count(counted);
}

void Phases::phase(int, int, std::string_view name) {
  const auto at = std::find(to_come_.begin() + begun_, to_come_.end(), name);
  JANG_CHECK(at != to_come_.end());
  begun_ = at - to_come_.begin() + 1;
  to_.phase(static_cast<int>(begun_), static_cast<int>(to_come_.size()), name);
}

}  // namespace jang

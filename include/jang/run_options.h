// SPDX-License-Identifier: Apache-2.0
// What all long work takes: where it runs, who is told, how it is stopped. Results do not depend on any of it.
#pragma once

#include <string>

#include "jang/hub.h"
#include "jang/observer.h"

namespace jang {

struct RunOptions {
  int threads = 0;                     // 0: all that this process may use
  std::string backend = {};            // a name of machine_facts().backends; empty: the fastest available
  bool lenient = false;                // take the likeliest reading of files that contradict each other
  HubCache hub = {};                   // where models named org/name are looked up
  Observer* observer = nullptr;        // may be null; outlives the call
  const CancelFlag* cancel = nullptr;  // may be null; when set, work cleans up and returns cancelled
};

}  // namespace jang

// A GPU runs its streams whether the host asks or not. Lazy streams do not, which would deadlock ranks that meet in
// collectives: one waits on its stream for a peer whose host is busy elsewhere. While a Progress lives, a thread drives
// the process's streams, some time after work was enqueued, so that laziness still shows a missing synchronisation.
#pragma once

namespace lockstep::emulation {

class Progress {
 public:
  Progress();
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
};

}  // namespace lockstep::emulation

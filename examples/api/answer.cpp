// Answers the prompts of its command line, on all ranks of an mpirun: mpirun -n 2 answer MODEL PROMPT...
#include "launcher/api.h"

#include <cstdio>
#include <exception>
#include <variant>
#include <vector>

namespace {

std::vector<lockstep::Request> make_requests(int argc, char** argv) {
  std::vector<lockstep::Request> requests;
  for (int i = 2; i < argc; ++i) {
    lockstep::Request request;
    request.prompts = {lockstep::Prompt(argv[i])};
    request.max_tokens = 16;
    request.stop = {"\n"};
    requests.push_back(std::move(request));
  }
  return requests;
}

// Called on the leader, in the order in which answers are complete.
void print(const lockstep::Request& request, const lockstep::Outcome& outcome) {
  if (const auto* error = std::get_if<lockstep::RowError>(&outcome))
    std::printf("%lld: cannot be answered: %s\n", static_cast<long long>(request.index), error->message.c_str());
  else
    std::printf("%lld: %s\n", static_cast<long long>(request.index),
                std::get<lockstep::Result>(outcome).choices.front().text.c_str());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: mpirun -n N answer MODEL PROMPT...\n");
    return 2;
  }
  const lockstep::MpiEnvironment mpi;
  try {
    lockstep::EngineSettings settings;
    settings.model.path = argv[1];
    const auto world = lockstep::make_mpi_communicator(mpi);
    lockstep::Session session(mpi, *world, settings);
    session.engine().generate(make_requests(argc, argv), print);  // every rank calls; the model is split over all
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "rank %d: %s\n", mpi.world_rank().value(), error.what());
    mpi.abort(1);  // the other ranks must not wait for this one
  }
}

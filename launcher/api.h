// What a program of its own needs to generate text: examples/api/answer.cpp shows it whole.
//
// MpiEnvironment starts MPI, Session loads a model onto all ranks, Engine::generate answers requests.
#pragma once

#include "core/settings/engine_settings.h"
#include "dist/comm/mpi/mpi_communicator.h"
#include "dist/comm/mpi/mpi_environment.h"
#include "launcher/batch/request.h"
#include "launcher/engine.h"
#include "launcher/session.h"

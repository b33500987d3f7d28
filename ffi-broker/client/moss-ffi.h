// SPDX-License-Identifier: LGPL-2.1-or-later
/* libmoss-ffi: functions by what they do. The only header a program includes. */
#pragma once

#include "best.h"
#include "buffer.h"
#include "client.h"
#include "error.h"
#include "provider.h"
#include "result.h"

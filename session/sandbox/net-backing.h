/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "requests.h"

G_BEGIN_DECLS

GVariant *moss_net_open_backing_request (MossRequest *request, GError **error);
GVariant *moss_net_close_backing_request (MossRequest *request, GError **error);

G_END_DECLS

// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

#define PNM_HEAD_MAX 512

typedef struct
{
  guint width, height, channels;
  gsize start; /* of the pixels */
} Pnm;

gboolean pnm_parse (const char *head, gsize length, Pnm *pnm, GError **error);

G_END_DECLS

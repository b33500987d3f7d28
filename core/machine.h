// SPDX-License-Identifier: LGPL-2.1-or-later
/* How this machine is just now. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct
{
  gboolean has_battery;
  gboolean on_battery;
  double level; /* 0..1 */
} MossPower;

/* Opaque to its owner; zero before the first reading. */
typedef struct
{
  guint64 busy, all;
} MossLoad;

MossPower moss_machine_power (void);
double moss_machine_load (MossLoad *since);

G_END_DECLS

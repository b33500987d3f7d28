// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "net-client.h"
#include "session-client.h"

G_BEGIN_DECLS

/* What the session answered to “could this go there?” */
typedef struct
{
  gboolean travels;
  gboolean exact;
  char *reason;
  guint time_ms;
  guint64 bytes;         /* to send */
  guint64 present_bytes; /* already there */
} MossAnswer;

#define MOSS_TYPE_PREFLIGHT (moss_preflight_get_type ())
G_DECLARE_FINAL_TYPE (MossPreflight, moss_preflight, MOSS, PREFLIGHT, GObject)

MossPreflight *moss_preflight_new (MossSessionClient *session, MossNetClient *net);
void moss_preflight_refresh (MossPreflight *self, const char *sandbox);
const MossAnswer *moss_preflight_lookup (MossPreflight *self, const char *sandbox,
                                         const char *device);
char *moss_answer_describe (const MossAnswer *answer);
char *moss_answer_describe_time (const MossAnswer *answer);

G_END_DECLS

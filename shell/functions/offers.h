// SPDX-License-Identifier: GPL-3.0-or-later
/* What the broker says of offers, made ready to be shown. Pure; any thread. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define MOSS_OFFER_HUES 6

typedef struct
{
  double bytes;
  double us;
} MossOfferPoint;

typedef struct
{
  char *name;    /* of the provider */
  char *where;   /* "here, warm" */
  char *quality;
  char *reason;  /* why it isn't used, or NULL */
  guint64 calls;
  gboolean remote;
  guint hue;     /* below MOSS_OFFER_HUES */
  double fixed_us;         /* start, queue and latency */
  double us_per_byte;      /* of the way there and back */
  GArray *curve;           /* of MossOfferPoint, by bytes; may be empty */
} MossOffer;

/* Everything that is offered under one key. */
typedef struct
{
  char *key;      /* "encode video/x-raw -> image/png" */
  char *title;    /* "encode → image/png" */
  guint64 calls;
  GPtrArray *offers; /* of MossOffer */
} MossCapability;

void moss_offer_free (MossOffer *offer);
void moss_capability_free (MossCapability *capability);

/* offers: aa{sv} as org.moss.FunctionBroker1.Query gives it. New, of MossCapability, by title. */
GPtrArray *moss_capabilities_new (GVariant *offers);
/* "raw picture in, PNG out · 4 providers · learned from 1,204 calls"; new. */
char *moss_capability_describe (const MossCapability *capability);

/* A request as a person reads it: "convert(image/png) -> image/webp" is “convert png →
 * image/webp”; itself when it is no capability. New. */
char *moss_request_title (const char *request);

/* Microseconds for so many bytes; NAN when nothing is known of it, or not of so many. */
double moss_offer_predict (const MossOffer *offer, double bytes);
/* Up to where it was measured; 0: it was not. */
double moss_offer_get_last_bytes (const MossOffer *offer);
/* The offer that is fastest for so many bytes, or NULL. */
const MossOffer *moss_capability_best (const MossCapability *capability, double bytes);
/* Where measurements begin and end; FALSE: there are none. */
gboolean moss_capability_range (const MossCapability *capability, double *from, double *to);
/* The largest size from which on another offer is the best one, and which; NULL: none. */
const MossOffer *moss_capability_crossing (const MossCapability *capability, double *bytes);

/* The nearest of 1, 4, 16, 64, 256 bytes, kB, MB and so on. */
double moss_round_bytes (double bytes);
/* “0.3 ms”, “61 ms”, “1.2 s”; new. */
char *moss_format_us (double us);
/* As at the ends of lines of a plot: “1 s”, not “1.0 s”; takes and gives a new text. */
char *moss_format_whole (char *text);

G_END_DECLS

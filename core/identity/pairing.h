// SPDX-License-Identifier: LGPL-2.1-or-later
/* The conversation by which a new device and an old one find out that the same person stands
 * before both: docs/formats/pairing.md. No input or output, no clock. */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

#define MOSS_PAIRING_PROTOCOL "moss-pair/1"
#define MOSS_PAIRING_DIGITS 8
#define MOSS_PAIRING_TRIES 3
#define MOSS_PAIRING_SECONDS 120
#define MOSS_PAIRING_MESSAGE_MAX 1024

#define MOSS_PAIRING_ERROR (moss_pairing_error_quark ())
typedef enum
{
  MOSS_PAIRING_ERROR_PROTOCOL,   /* the other side doesn't keep to the rules */
  MOSS_PAIRING_ERROR_WRONG_CODE, /* another code was typed, or somebody stands between */
  MOSS_PAIRING_ERROR_USED_UP,    /* too many tries, or too late: a new code is needed */
} MossPairingError;

GQuark moss_pairing_error_quark (void);

/* A code that is shown: how often and how long it may still be tried. */
typedef struct
{
  char *code;
  gint64 until_us; /* monotonic */
  guint tries;
} MossPairingOffer;

MossPairingOffer *moss_pairing_offer_new (const char *code, gint64 now_us);
void moss_pairing_offer_free (MossPairingOffer *offer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MossPairingOffer, moss_pairing_offer_free)
gboolean moss_pairing_offer_try (MossPairingOffer *offer, gint64 now_us, GError **error);

char *moss_pairing_code_new (void);
char *moss_pairing_code_show (const char *code);
char *moss_pairing_code_parse (const char *text, GError **error);

typedef struct _MossPairing MossPairing;

MossPairing *moss_pairing_new (gboolean typed_here,
                               const char *code,
                               const guint8 *my_fingerprint,
                               const guint8 *their_fingerprint,
                               const char *my_name);
void moss_pairing_free (MossPairing *pairing);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MossPairing, moss_pairing_free)

GBytes *moss_pairing_begin (MossPairing *pairing);
GBytes *moss_pairing_answer (MossPairing *pairing, GBytes *begin, GError **error);
gboolean moss_pairing_finish (MossPairing *pairing, GBytes *answer, GError **error);
GBytes *moss_pairing_seal (MossPairing *pairing, GBytes *content, GError **error);
GBytes *moss_pairing_open (MossPairing *pairing, GBytes *message, GError **error);
const char *moss_pairing_get_their_name (MossPairing *pairing);

G_END_DECLS

// SPDX-License-Identifier: LGPL-2.1-or-later
/* CPace: two sides that know the same short code get the same strong key; whoever guesses has
 * one guess a conversation and learns nothing else. CPACE-RISTR255-SHA512 of
 * draft-irtf-cfrg-cpace-21, initiator and responder. Pure functions, any thread. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define MOSS_CPACE_POINT_BYTES 32
#define MOSS_CPACE_SCALAR_BYTES 32
#define MOSS_CPACE_ISK_BYTES 64

void moss_cpace_generator (GBytes *code, GBytes *channel, GBytes *sid, guint8 *generator);
gboolean moss_cpace_share (const guint8 *generator, const guint8 *scalar, guint8 *share);
void moss_cpace_start (GBytes *code,
                       GBytes *channel,
                       GBytes *sid,
                       guint8 *scalar,
                       guint8 *share);
gboolean moss_cpace_point (const guint8 *scalar, const guint8 *their_share, guint8 *point);
void moss_cpace_isk (const guint8 *point,
                     GBytes *sid,
                     const guint8 *share_a,
                     GBytes *about_a,
                     const guint8 *share_b,
                     GBytes *about_b,
                     guint8 *isk);

G_END_DECLS

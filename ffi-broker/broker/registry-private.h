/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Of registry.c, for announce.c alone: making and changing providers and offers. */
#pragma once

#include "broker.h"

G_BEGIN_DECLS

/* What isn't known is local. */
MossFfiKind registry_kind_from_text (const char *text);

/* The registry's own from the start; all texts are copied. */
Provider *registry_provider_new (Broker *broker, const char *id, const char *version,
                                 const char *name, const char *device, const char *bridge,
                                 MossFfiKind kind);
/* Takes @capability. */
Offer *registry_offer_new (Provider *provider, const char *text, MossFfiCapability *capability,
                           GVariant *attributes);
/* Anew, after offer->attributes became others. */
void registry_read_attributes (Offer *offer);
/* @curve: (nullable): what was learned before, if anything was */
void registry_take_costs (Offer *offer, GBytes *curve, double ratio, guint64 calls);
/* Its row and those of its offers that changed; new offers have their numbers then. */
gboolean registry_write_provider (MossFfiDb *db, Provider *provider, GError **error);

G_END_DECLS

// SPDX-License-Identifier: GPL-3.0-or-later
/* Devices of one person tell each other where the others were reached, so that two find each
 * other that were both paired with a third.
 *
 * Policy: an address only says where to knock; who answers is found out by the certificate. A
 * device of the person can make others of the person knock at places, a few a device, and
 * nothing more. */
#define G_LOG_DOMAIN "moss-netd"

#include "vfs/netd/netd.h"

#include <string.h>

#define WHERE_TYPE "a(sas)" /* device id, addresses */

enum
{
  MEMBERS_MAX = 64,
  ADDRESSES_TOLD = 2,
  ADDRESS_MAX = 260,
  CALL_MS = 5000,
};

static void
on_told (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GVariant) reply = moss_link_call_finish (result, NULL, NULL);
}

static gboolean
is_loopback (const char *address)
{
  return g_str_has_prefix (address, "127.") || g_str_has_prefix (address, "[::1]") ||
         g_str_has_prefix (address, "localhost");
}

/* An address of this machine to itself means nothing elsewhere. */
static gboolean
may_tell (Device *listener, const char *address)
{
  const char *theirs = device_best_address (listener);

  return strlen (address) <= ADDRESS_MAX &&
         (!is_loopback (address) || (theirs != NULL && is_loopback (theirs)));
}

static gboolean
add_member (GVariantBuilder *list, Device *listener, Device *member)
{
  const char *told[ADDRESSES_TOLD + 1] = { NULL };
  guint count = 0;

  for (guint i = 0; i < member->addresses->len && count < ADDRESSES_TOLD; i++)
    if (may_tell (listener, g_ptr_array_index (member->addresses, i)))
      told[count++] = g_ptr_array_index (member->addresses, i);
  if (count > 0)
    g_variant_builder_add (list, "(s^as)", member->id, told);
  return count > 0;
}

static void
tell (Netd *netd, Device *listener)
{
  GVariantBuilder list;
  GHashTableIter iter;
  Device *member;
  guint count = 0;

  g_variant_builder_init (&list, G_VARIANT_TYPE (WHERE_TYPE));
  g_hash_table_iter_init (&iter, netd->devices);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &member) && count < MEMBERS_MAX)
    if (member != listener && member->slot > 0)
      count += add_member (&list, listener, member);
  if (count > 0)
    moss_link_call (listener->link, WHERE_METHOD, g_variant_builder_end (&list), CALL_MS,
                    on_told, NULL);
  else
    g_variant_builder_clear (&list);
}

/* A device of the person is linked: all that are get to know what there is to know. */
void
where_tell (Netd *netd)
{
  GHashTableIter iter;
  Device *device;

  g_hash_table_iter_init (&iter, netd->devices);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &device))
    if (device->slot > 0 && device->link != NULL)
      tell (netd, device);
}

static void
learn (Device *device, GVariant *addresses)
{
  gsize count = MIN (g_variant_n_children (addresses), ADDRESSES_TOLD);
  gboolean learnt = FALSE;

  for (gsize i = 0; i < count; i++)
    {
      const char *address;
      g_autofree char *complete = NULL;

      g_variant_get_child (addresses, i, "&s", &address);
      if (strlen (address) <= ADDRESS_MAX && (complete = complete_address (address, NULL)))
        learnt = device_add_address (device, complete) || learnt;
    }
  if (!learnt)
    return;
  device->delay_ms = 0;
  dial_now (device);
}

/* @body: from another device */
void
where_call (Netd *netd, MossLink *link, guint64 request, GVariant *body)
{
  Device *teller = device_find (netd, moss_link_get_device (link));
  gsize count;

  if (teller == NULL || teller->slot == 0 ||
      !g_variant_is_of_type (body, G_VARIANT_TYPE (WHERE_TYPE)))
    {
      moss_link_reply_error (link, request, "org.moss.Error.Invalid", "not possible");
      return;
    }
  count = MIN (g_variant_n_children (body), MEMBERS_MAX);
  for (gsize i = 0; i < count; i++)
    {
      g_autoptr (GVariant) addresses = NULL;
      const char *id;
      Device *device;

      g_variant_get_child (body, i, "(&s@as)", &id, &addresses);
      device = device_find (netd, id);
      if (device != NULL && device->slot > 0 && device->link == NULL)
        learn (device, addresses);
    }
  moss_link_reply (link, request, g_variant_new ("()"));
}

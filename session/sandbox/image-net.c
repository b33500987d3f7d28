/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The network namespace.
 *
 * Policy: there is the loopback device (and a tap device where the policy has one), no link to another
 * namespace, no firewall rules; addresses, routes and rules, which the `ip` tool replays inside
 * the new namespace, are well-formed messages that add just such a thing. */
#define G_LOG_DOMAIN "moss-image"
#include "image-read.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>

#define LINK_LOOPBACK 1
#define LINK_TUN 3
#define SYSCTL_TEXT 5
#define SYSCTL_NUMBER 6
#define MAX_SYSCTLS 256
#define MAX_REPLAY (256 * 1024)
#define ADDRESSES_MAGIC 0x47361222u
#define ROUTES_MAGIC 0x45311224u
#define RULES_MAGIC 0x71706986u

static gboolean
check_sysctls (ImageSet *s, size_t n, MossImage__Sysctl *const *all, GError **error)
{
  if (n > MAX_SYSCTLS)
    return image_corrupt (s, error, "too many settings");
  for (size_t i = 0; i < n; i++)
    {
      if (all[i]->type != SYSCTL_TEXT && all[i]->type != SYSCTL_NUMBER)
        return image_corrupt (s, error, "a setting of an unknown kind");
      if (all[i]->text != NULL
          && (strlen (all[i]->text) > 128 || strpbrk (all[i]->text, "\n\r/") != NULL))
        return image_denied (s, error, "a strange setting");
    }
  return TRUE;
}

static gboolean
check_netns (ImageReader *r, gpointer message, GError **error)
{
  const MossImage__NetNs *m = message;
  ImageSet *s = r->set;

  if (m->external_key != NULL && *m->external_key != '\0')
    return image_denied (s, error, "wants a network namespace from outside");
  if (m->n_ids > 1 || m->n_def_conf > MAX_SYSCTLS || m->n_all_conf > MAX_SYSCTLS)
    return image_denied (s, error, "knows other network namespaces");
  return check_sysctls (s, m->n_def_conf4, m->def_conf4, error)
         && check_sysctls (s, m->n_all_conf4, m->all_conf4, error)
         && check_sysctls (s, m->n_def_conf6, m->def_conf6, error)
         && check_sysctls (s, m->n_all_conf6, m->all_conf6, error)
         && check_sysctls (s, m->n_unix_conf, m->unix_conf, error)
         && check_sysctls (s, m->n_ipv4, m->ipv4, error);
}

gboolean
image_check_netns (ImageReader *r, GError **error)
{
  return image_only (r, &moss_image__net_ns__descriptor, check_netns, error);
}

static gboolean
check_netdev (ImageReader *r, gpointer message, GError **error)
{
  const MossImage__NetDevice *m = message;
  ImageSet *s = r->set;
  gboolean loopback = m->type == LINK_LOOPBACK && g_str_equal (m->name, "lo");
  gboolean tap = m->type == LINK_TUN && s->policy->tap;

  if (!loopback && !tap)
    return image_denied (s, error, "there is the network device \"%.16s\" (kind %u)", m->name,
                         m->type);
  /* The loopback device is its own peer. */
  if ((m->peer_index != 0 && m->peer_index != m->index)
      || (m->peer_ns != 0 && m->peer_ns != s->number) || m->master != 0)
    return image_denied (s, error, "the network device \"%.16s\" is tied to another", m->name);
  if (strlen (m->name) > 15 || strchr (m->name, '/') != NULL || m->address.len > 32
      || m->n_conf > MAX_SYSCTLS)
    return image_corrupt (s, error, "a network device is impossible");
  return check_sysctls (s, m->n_conf4, m->conf4, error)
         && check_sysctls (s, m->n_conf6, m->conf6, error);
}

gboolean
image_check_netdev (ImageReader *r, GError **error)
{
  return image_each (r, &moss_image__net_device__descriptor, check_netdev, error);
}

/* What `ip … save` writes: a magic number and netlink messages. */
static gboolean
check_replay (ImageReader *r, guint32 magic, guint16 type, GError **error)
{
  ImageSet *s = r->set;

  if (image_at_end (r))
    return TRUE;
  if (r->size > MAX_REPLAY)
    return image_denied (s, error, "too big");
  if (!image_read_magic (r, magic, error))
    return FALSE;
  while (!image_at_end (r))
    {
      struct nlmsghdr h;
      gsize left = r->size - r->at;

      if (left < sizeof h)
        return image_corrupt (s, error, "cut short");
      memcpy (&h, r->data + r->at, sizeof h);
      if (h.nlmsg_len < sizeof h || NLMSG_ALIGN ((guint64) h.nlmsg_len) > left)
        return image_corrupt (s, error, "cut short");
      if (h.nlmsg_type != type)
        return image_denied (s, error, "would do something else (message %u)", h.nlmsg_type);
      r->at += NLMSG_ALIGN (h.nlmsg_len);
    }
  return TRUE;
}

gboolean
image_check_addresses (ImageReader *r, GError **error)
{
  return check_replay (r, ADDRESSES_MAGIC, RTM_NEWADDR, error);
}

gboolean
image_check_routes (ImageReader *r, GError **error)
{
  return check_replay (r, ROUTES_MAGIC, RTM_NEWROUTE, error);
}

gboolean
image_check_rules (ImageReader *r, GError **error)
{
  return check_replay (r, RULES_MAGIC, RTM_NEWRULE, error);
}

/* Firewall rules are text for tools that run as root: there is no reason for any. Lines that
 * only name empty tables are what `iptables-save` writes by itself. */
gboolean
image_check_empty (ImageReader *r, GError **error)
{
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;

  if (r->size > MAX_REPLAY || memchr (r->data, 0, r->size) != NULL)
    return image_denied (r->set, error, "holds firewall rules");
  text = g_strndup ((const char *) r->data, r->size);
  lines = g_strsplit (text, "\n", 0);
  for (guint i = 0; lines[i] != NULL; i++)
    if (lines[i][0] != '\0' && lines[i][0] != '#' && lines[i][0] != '*' && lines[i][0] != ':'
        && !g_str_equal (lines[i], "COMMIT"))
      return image_denied (r->set, error, "holds firewall rules");
  r->at = r->size;
  return TRUE;
}

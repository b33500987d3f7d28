/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Sockets that lead out of a sandbox, found from outside. The kernel's table of Unix sockets
 * (sock_diag(7)) tells each one's peer; a peer that stands in no table of the same namespace is
 * elsewhere. The table is not read at one instant, so what is found must be found twice. */

#include "outward.h"
#include "fds.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <linux/unix_diag.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define MAX_SOCKETS 100000

typedef struct
{
  int ns_fd;
  GHashTable *peers; /* inode → the peer's, 0 for none */
} Reading;

static gboolean
ask (int fd)
{
  struct
  {
    struct nlmsghdr header;
    struct unix_diag_req request;
  } message = {
    .header = { .nlmsg_len = sizeof message, .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
    .request = { .sdiag_family = AF_UNIX, .udiag_states = G_MAXUINT32,
                 .udiag_show = UDIAG_SHOW_PEER },
  };

  return send (fd, &message, sizeof message, 0) == sizeof message;
}

static void
note (Reading *reading, struct nlmsghdr *header)
{
  struct unix_diag_msg *entry = NLMSG_DATA (header);
  struct rtattr *attribute = (struct rtattr *) (entry + 1);
  guint left = NLMSG_PAYLOAD (header, sizeof *entry);
  guint32 peer = 0;

  for (; RTA_OK (attribute, left); attribute = RTA_NEXT (attribute, left))
    if (attribute->rta_type == UNIX_DIAG_PEER && RTA_PAYLOAD (attribute) >= sizeof peer)
      peer = *(guint32 *) RTA_DATA (attribute);
  if (g_hash_table_size (reading->peers) < MAX_SOCKETS)
    g_hash_table_insert (reading->peers, GUINT_TO_POINTER (entry->udiag_ino),
                         GUINT_TO_POINTER (peer));
}

/* TRUE while more is to come. */
static gboolean
take (Reading *reading, int fd)
{
  static const guint smallest = NLMSG_LENGTH (sizeof (struct unix_diag_msg));
  char buffer[16384] __attribute__ ((aligned (8)));
  gssize size = recv (fd, buffer, sizeof buffer, 0);

  if (size <= 0)
    return FALSE;
  for (struct nlmsghdr *header = (struct nlmsghdr *) buffer; NLMSG_OK (header, size);
       header = NLMSG_NEXT (header, size))
    {
      if (header->nlmsg_type == NLMSG_DONE || header->nlmsg_type == NLMSG_ERROR)
        return FALSE;
      if (header->nlmsg_len >= smallest)
        note (reading, header);
    }
  return TRUE;
}

/* A thread goes to the namespace and ends. */
static gpointer
read_there (gpointer data)
{
  Reading *reading = data;
  moss_autofd fd = -1;

  if (setns (reading->ns_fd, CLONE_NEWNET) != 0)
    return NULL;
  fd = socket (AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
  if (fd >= 0 && ask (fd))
    while (take (reading, fd))
      ;
  return NULL;
}

static int
open_namespace (pid_t pid)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/ns/net", pid);

  return open (path, O_RDONLY | O_CLOEXEC);
}

static GHashTable *
find_once (pid_t pid)
{
  moss_autofd ns_fd = open_namespace (pid);
  g_autoptr (GHashTable) peers = g_hash_table_new (NULL, NULL);
  GHashTable *found = g_hash_table_new (NULL, NULL);
  Reading reading = { .ns_fd = ns_fd, .peers = peers };
  GHashTableIter iter;
  gpointer inode, peer;

  if (ns_fd >= 0)
    g_thread_join (g_thread_new ("outward", read_there, &reading));
  g_hash_table_iter_init (&iter, peers);
  while (g_hash_table_iter_next (&iter, &inode, &peer))
    if (peer != NULL && !g_hash_table_contains (peers, peer))
      g_hash_table_add (found, inode);
  return found;
}

static gboolean
is_not_in (gpointer inode, gpointer value, gpointer other)
{
  return !g_hash_table_contains (other, inode);
}

GHashTable *
moss_outward_find (pid_t pid)
{
  GHashTable *found = find_once (pid);

  if (g_hash_table_size (found) > 0)
    {
      g_autoptr (GHashTable) again = find_once (pid);

      g_hash_table_foreach_remove (found, is_not_in, again);
    }
  return found;
}

gboolean
moss_outward_is_foreign (int socket_fd, pid_t pid)
{
  moss_autofd own = open_namespace (pid);
  moss_autofd its = ioctl (socket_fd, SIOCGSKNS);
  struct stat own_st, its_st;

  return own >= 0 && its >= 0 && fstat (own, &own_st) == 0 && fstat (its, &its_st) == 0
         && own_st.st_ino != its_st.st_ino;
}

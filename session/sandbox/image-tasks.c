/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Processes: who they are and what they may do.
 *
 * Policy: every process lives in namespaces of its own, made new at the restore; ids are
 * 0–65534 inside; only pid 1 may be id 0 or hold a capability, and just those that
 * moss-init needs; all others have given up gaining privileges and stand behind a seccomp
 * filter; nobody has a security label, a real-time or raised priority, or protection from
 * the out-of-memory killer. */
#define G_LOG_DOMAIN "moss-image"
#include "filter.h"
#include "image-read.h"

#include <string.h>

#define IMAGES_V1_1 2
#define NETWORK_LOCK_SKIP 2
#define ADDR_NO_RANDOMIZE 0x0040000
#define NO_LOGINUID 0xffffffffu
#define SECCOMP_FILTER 2
#define NO_FILTER 0xffffffffu
#define BPF_INSN 8
#define BPF_MAX 4096
#define MAX_FILTERS 16384 /* CRIU writes a chain for each process */
#define MAX_PID 4194304u
#define SECCOMP_FLAGS 0x7 /* TSYNC, LOG, SPEC_ALLOW: no listener */
#define SECCOMP_FLAG_TSYNC 0x1

#if defined(__x86_64__)
#  define THIS_ARCH 1
#elif defined(__aarch64__)
#  define THIS_ARCH 3
#else
#  define THIS_ARCH 0
#endif

enum
{
  TASK_ALIVE = 1,
  TASK_DEAD = 2,
  TASK_STOPPED = 3,
  TASK_ZOMBIE = 6
};

/* ---- inventory -----------------------------------------------------------------------
 */

static gboolean
check_inventory (ImageReader *r, gpointer message, GError **error)
{
  const MossImage__Inventory *m = message;
  ImageSet *s = r->set;

  if (m->version != IMAGES_V1_1)
    return image_foreign (s, error, "made by another version of CRIU (format %u)",
                          m->version);
  if (!m->fdinfo_per_id || !m->ns_per_id || m->root_ids == NULL)
    return image_foreign (s, error, "made by a CRIU that is too old");
  if (m->plugins != NULL && m->plugins->n_names > 0)
    return image_denied (s, error, "needs the CRIU plugin \"%.64s\"",
                         m->plugins->names[0]);
  if (m->allow_uprobes)
    return image_denied (s, error, "wants uprobes");
  if (m->lsm > 2)
    return image_denied (s, error, "wants an unknown security module");
  if (m->has_network_lock && m->network_lock != NETWORK_LOCK_SKIP)
    return image_denied (s, error, "wants the machine's firewall changed");
  s->have_inventory = TRUE;
  s->root_ids = g_memdup2 (m->root_ids, sizeof *m->root_ids);
  return TRUE;
}

gboolean
image_check_inventory (ImageReader *r, GError **error)
{
  return image_only (r, &moss_image__inventory__descriptor, check_inventory, error);
}

/* ---- pstree --------------------------------------------------------------------------
 */

static gboolean
check_process (ImageReader *r, gpointer message, GError **error)
{
  const MossImage__Process *m = message;
  ImageSet *s = r->set;

  if (m->pid == 0 || m->pid > MAX_PID || m->n_threads == 0)
    return image_corrupt (s, error, "process %u is impossible", m->pid);
  if (!image_remember (s->processes, m->pid))
    return image_corrupt (s, error, "process %u stands twice", m->pid);
  if ((m->pid == 1) != (m->ppid == 0))
    return image_denied (s, error, "process %u has no place in the tree", m->pid);
  if (m->pid != 1 && !image_knows (s->processes, m->ppid))
    return image_corrupt (s, error, "process %u stands before its parent", m->pid);
  for (gsize i = 0; i < m->n_threads; i++)
    {
      /* CRIU takes the first for the process itself, and writes anything there for a dead
       * one. */
      guint32 tid = i == 0 ? m->pid : m->threads[i];

      if (tid == 0 || tid > MAX_PID)
        return image_corrupt (s, error, "thread %u of process %u is impossible", tid,
                              m->pid);
      if (g_hash_table_size (s->threads) >= s->policy->max_tasks)
        return image_denied (s, error, "more than %u tasks", s->policy->max_tasks);
      if (!g_hash_table_insert (s->threads, GUINT_TO_POINTER (tid),
                                GUINT_TO_POINTER (m->pid)))
        return image_corrupt (s, error, "thread %u stands twice", tid);
    }
  return TRUE;
}

gboolean
image_check_pstree (ImageReader *r, GError **error)
{
  if (!image_each (r, &moss_image__process__descriptor, check_process, error))
    return FALSE;
  return image_knows (r->set->processes, 1)
         || image_denied (r->set, error, "there is no pid 1");
}

/* ---- core ----------------------------------------------------------------------------
 */

static guint64
capabilities (size_t n, const guint32 *words)
{
  guint64 all = 0;

  for (size_t i = 0; i < n; i++)
    all |= i < 2 ? (guint64)words[i] << (32 * i) : words[i] != 0 ? G_MAXUINT64 : 0;
  return all;
}

static gboolean
is_set (const char *text)
{
  return text != NULL && *text != '\0';
}

static gboolean
check_creds (ImageSet *s, const MossImage__Creds *c, gboolean is_init, GError **error)
{
  const guint32 uids[] = { c->uid, c->euid, c->suid, c->fsuid };
  const guint32 gids[] = { c->gid, c->egid, c->sgid, c->fsgid };
  guint64 held = capabilities (c->n_cap_inh, c->cap_inh)
                 | capabilities (c->n_cap_prm, c->cap_prm)
                 | capabilities (c->n_cap_eff, c->cap_eff)
                 | capabilities (c->n_cap_amb, c->cap_amb);

  for (gsize i = 0; i < G_N_ELEMENTS (uids); i++)
    {
      if (!image_check_ids (s, uids[i], gids[i], "a process", error))
        return FALSE;
      if (!is_init && (uids[i] == 0 || gids[i] == 0))
        return image_denied (s, error, "a process of the app is root in the sandbox");
    }
  for (gsize i = 0; i < c->n_groups; i++)
    if (!image_check_ids (s, 0, c->groups[i], "a process", error))
      return FALSE;
  if ((held & ~(is_init ? s->policy->init_capabilities : 0)) != 0)
    return image_denied (
        s, error,
        "a process has capabilities that it may not have (%" G_GINT64_MODIFIER "x)",
        held);
  if (!is_init && c->no_new_privs != 1)
    return image_denied (s, error,
                         "a process could gain privileges (no_new_privs is off)");
  if (c->secbits > 0xff)
    return image_corrupt (s, error, "impossible secure bits");
  if (is_set (c->lsm_profile) || is_set (c->lsm_sockcreate) || c->has_apparmor)
    return image_denied (s, error, "a process has a security label");
  return TRUE;
}

static gboolean
check_thread (ImageSet *s,
              const MossImage__ThreadCore *t,
              gboolean is_init,
              gboolean is_leader,
              GError **error)
{
  if (t->creds == NULL)
    return image_corrupt (s, error, "a thread without credentials");
  if (!check_creds (s, t->creds, is_init, error))
    return FALSE;
  if (t->nice < 0 || t->nice > 19)
    return image_denied (s, error, "a process has a raised priority (nice %d)", t->nice);
  if (t->policy != 0 && t->policy != 3 && t->policy != 5)
    return image_denied (s, error, "a process has real-time priority (policy %u)",
                         t->policy);
  if (t->death_signal > 64)
    return image_corrupt (s, error, "an impossible signal");
  if (t->seccomp_mode != 0 && t->seccomp_mode != SECCOMP_FILTER)
    return image_denied (s, error, "a process is in an unusual seccomp mode");
  /* Where a thread has none, its leader's must spread over all: see cross_filters(). */
  if (s->policy->need_seccomp && !is_init && is_leader
      && t->seccomp_mode != SECCOMP_FILTER)
    return image_denied (s, error, "a process has no seccomp filter");
  return TRUE;
}

static gboolean
check_task (ImageSet *s, const MossImage__TaskCore *t, GError **error)
{
  if (t->state != TASK_ALIVE && t->state != TASK_DEAD && t->state != TASK_STOPPED
      && t->state != TASK_ZOMBIE)
    return image_corrupt (s, error, "process state %u", t->state);
  if ((t->personality & ~ADDR_NO_RANDOMIZE) != 0)
    return image_denied (s, error, "a process has an unusual personality (%x)",
                         t->personality);
  if (t->has_loginuid && t->loginuid != NO_LOGINUID && t->loginuid > 65534)
    return image_denied (s, error, "a process has a login id outside the sandbox");
  if (t->oom_score_adj < 0 || t->oom_score_adj > 1000)
    return image_denied (s, error, "a process is protected when memory runs out (%d)",
                         t->oom_score_adj);
  if (t->limits != NULL && t->limits->n_limits > 32)
    return image_corrupt (s, error, "too many limits");
  return TRUE;
}

static gboolean
check_core (ImageReader *r, gpointer message, GError **error)
{
  const MossImage__Core *m = message;
  ImageSet *s = r->set;
  gboolean is_init;
  gboolean ended
      = m->task != NULL && (m->task->state == TASK_DEAD || m->task->state == TASK_ZOMBIE);
  guint32 filter = NO_FILTER;
  guint32 leader = s->number;

  if (m->arch != THIS_ARCH)
    return image_foreign (s, error, "made for another processor architecture (%u)",
                          m->arch);
  if (m->has_arm || (m->has_x86 && THIS_ARCH != 1) || (m->has_aarch64 && THIS_ARCH != 3)
      || (!ended && !m->has_x86 && !m->has_aarch64)) /* one that has ended has none */
    return image_corrupt (s, error, "has another architecture's registers");
  if (!s->alone)
    leader = GPOINTER_TO_UINT (
        g_hash_table_lookup (s->threads, GUINT_TO_POINTER (s->number)));
  is_init = leader == 1;
  if (m->task != NULL && !check_task (s, m->task, error))
    return FALSE;
  if (m->thread != NULL
      && !check_thread (s, m->thread, is_init, leader == s->number, error))
    return FALSE;
  if (m->thread == NULL && !ended)
    return image_corrupt (s, error, "says nothing about its thread");
  if (m->thread != NULL && m->thread->seccomp_mode == SECCOMP_FILTER)
    filter = m->thread->seccomp_filter;
  g_hash_table_insert (s->cores, GUINT_TO_POINTER (s->number), GUINT_TO_POINTER (filter));
  return TRUE;
}

gboolean
image_check_core (ImageReader *r, GError **error)
{
  return image_only (r, &moss_image__core__descriptor, check_core, error);
}

/* ---- ids -----------------------------------------------------------------------------
 */

static gboolean
check_task_ids (ImageReader *r, gpointer message, GError **error)
{
  const MossImage__Ids *m = message;

  g_hash_table_insert (r->set->ids, GUINT_TO_POINTER (r->set->number),
                       g_memdup2 (m, sizeof *m));
  return TRUE;
}

gboolean
image_check_task_ids (ImageReader *r, GError **error)
{
  return image_only (r, &moss_image__ids__descriptor, check_task_ids, error);
}

/* ---- seccomp -------------------------------------------------------------------------
 */

static gboolean
check_seccomp (ImageReader *r, gpointer message, GError **error)
{
  const MossImage__Seccomp *m = message;
  ImageSet *s = r->set;

  if (m->n_filters > MAX_FILTERS)
    return image_denied (s, error, "has too many filters (%" G_GSIZE_FORMAT ")",
                         m->n_filters);
  for (gsize i = 0; i < m->n_filters; i++)
    {
      const MossImage__SeccompFilter *f = m->filters[i];

      if (f->program.len == 0 || f->program.len % BPF_INSN != 0
          || f->program.len > BPF_MAX * BPF_INSN)
        return image_corrupt (s, error, "a filter is of an impossible size");
      if (f->has_previous && f->previous >= i)
        return image_corrupt (s, error, "the filters form a circle");
      if ((f->flags & ~SECCOMP_FLAGS) != 0)
        return image_denied (s, error, "a filter has a listener");
    }
  g_byte_array_set_size (s->filters, m->n_filters);
  for (gsize i = 0; i < m->n_filters; i++)
    {
      const MossImage__SeccompFilter *f = m->filters[i];

      s->filters->data[i] = 0;
      if ((f->flags & SECCOMP_FLAG_TSYNC) != 0)
        s->filters->data[i] |= IMAGE_FILTER_SPREADS;
      if (moss_filter_is_ours (f->program.data, f->program.len))
        s->filters->data[i] |= IMAGE_FILTER_OURS;
    }
  return TRUE;
}

gboolean
image_check_seccomp (ImageReader *r, GError **error)
{
  return image_only (r, &moss_image__seccomp__descriptor, check_seccomp, error);
}

/* ---- cpuinfo -------------------------------------------------------------------------
 */

static gboolean
check_cpuinfo (ImageReader *r, gpointer message, GError **error)
{
  const MossImage__CpuInfo *m = message;

  if (m->n_x86 > 16)
    return image_corrupt (r->set, error, "too many processors");
  for (gsize i = 0; i < m->n_x86; i++)
    if (m->x86[i]->n_words > 64)
      return image_corrupt (r->set, error, "too many features");
  return THIS_ARCH != 1 || m->n_x86 > 0
         || image_foreign (r->set, error, "made for another processor architecture");
}

gboolean
image_check_cpuinfo (ImageReader *r, GError **error)
{
  return image_only (r, &moss_image__cpu_info__descriptor, check_cpuinfo, error);
}

/* ---- all together --------------------------------------------------------------------
 */

static gboolean
need_namespace (ImageSet *s, const char *kind, guint32 id, GError **error)
{
  g_autofree char *name = g_strdup_printf ("%s-%u", kind, id);

  return g_hash_table_contains (s->namespaces, name)
         || image_corrupt (s, error, "%s.img is missing", name);
}

/* CRIU makes a new namespace exactly where pid 1's differs from the dumping CRIU's own.
 * Where it does not, the task would be restored in ours, as the machine's root. The network is
 * another matter: CRIU itself works in one that was made for the sandbox (criu-net.c), and
 * where it differs it makes an empty one. */
static gboolean
check_own_namespaces (ImageSet *s, const MossImage__Ids *init, GError **error)
{
  const MossImage__Ids *root = s->root_ids;

  if (!init->has_user_ns || !init->has_pid_ns || !init->has_mnt_ns || !init->has_net_ns
      || !init->has_ipc_ns || !init->has_uts_ns || !root->has_user_ns || !root->has_pid_ns
      || !root->has_mnt_ns || !root->has_net_ns || !root->has_ipc_ns || !root->has_uts_ns)
    return image_denied (s, error, "does not say which namespaces it lives in");
  if (init->user_ns == root->user_ns || init->pid_ns == root->pid_ns
      || init->mnt_ns == root->mnt_ns || init->ipc_ns == root->ipc_ns
      || init->uts_ns == root->uts_ns)
    return image_denied (s, error, "would live in the machine's own namespaces");
  return need_namespace (s, "userns", init->user_ns, error)
         && need_namespace (s, "mountpoints", init->mnt_ns, error)
         && need_namespace (s, "utsns", init->uts_ns, error)
         && need_namespace (s, "ipcns-var", init->ipc_ns, error);
}

static gboolean
same_namespaces (const MossImage__Ids *a, const MossImage__Ids *b)
{
  return a->user_ns == b->user_ns && a->pid_ns == b->pid_ns && a->mnt_ns == b->mnt_ns
         && a->net_ns == b->net_ns && a->ipc_ns == b->ipc_ns && a->uts_ns == b->uts_ns
         && a->cgroup_ns == b->cgroup_ns && a->time_ns == b->time_ns;
}

static gboolean
cross_ids (ImageSet *s, GError **error)
{
  const MossImage__Ids *init = g_hash_table_lookup (s->ids, GUINT_TO_POINTER (1));
  GHashTableIter iter;
  gpointer pid, ids;

  if (init == NULL)
    return image_corrupt (s, error, "ids-1.img is missing");
  if (!check_own_namespaces (s, init, error))
    return FALSE;
  g_hash_table_iter_init (&iter, s->ids);
  while (g_hash_table_iter_next (&iter, &pid, &ids))
    {
      if (!image_knows (s->processes, GPOINTER_TO_UINT (pid)))
        return image_corrupt (s, error, "ids-%u.img belongs to no process",
                              GPOINTER_TO_UINT (pid));
      if (!same_namespaces (init, ids))
        return image_denied (s, error, "process %u lives in other namespaces than pid 1",
                             GPOINTER_TO_UINT (pid));
    }
  return TRUE;
}

static gboolean
cross_cores (ImageSet *s, GError **error)
{
  GHashTableIter iter;
  gpointer tid, filter;

  g_hash_table_iter_init (&iter, s->cores);
  while (g_hash_table_iter_next (&iter, &tid, &filter))
    {
      if (!image_knows (s->threads, GPOINTER_TO_UINT (tid)))
        return image_corrupt (s, error, "core-%u.img belongs to no thread",
                              GPOINTER_TO_UINT (tid));
      if (GPOINTER_TO_UINT (filter) != NO_FILTER
          && GPOINTER_TO_UINT (filter) >= s->filters->len)
        return image_corrupt (s, error, "thread %u has a filter that is not there",
                              GPOINTER_TO_UINT (tid));
    }
  g_hash_table_iter_init (&iter, s->threads);
  while (g_hash_table_iter_next (&iter, &tid, NULL))
    if (!g_hash_table_contains (s->cores, tid))
      return image_corrupt (s, error, "core-%u.img is missing", GPOINTER_TO_UINT (tid));
  return TRUE;
}

static gboolean
filter_is (ImageSet *s, guint filter, guint kind)
{
  return filter < s->filters->len && (s->filters->data[filter] & kind) != 0;
}

/* A task names the oldest of its filters, and what it set itself later follows from there: the
 * oldest must be ours. CRIU leaves the filter out of threads that have the same as their leader,
 * and has the leader's filter spread over all threads when it is set again. */
static gboolean
check_filter (ImageSet *s, guint tid, guint own, guint leaders, GError **error)
{
  if (own != NO_FILTER)
    return filter_is (s, own, IMAGE_FILTER_OURS)
           || image_denied (s, error, "thread %u has another seccomp filter than a sandbox's", tid);
  return filter_is (s, leaders, IMAGE_FILTER_SPREADS)
         || image_denied (s, error, "thread %u has no seccomp filter", tid);
}

static gboolean
cross_filters (ImageSet *s, GError **error)
{
  GHashTableIter iter;
  gpointer tid, pid;

  if (!s->policy->need_seccomp)
    return TRUE;
  g_hash_table_iter_init (&iter, s->threads);
  while (g_hash_table_iter_next (&iter, &tid, &pid))
    {
      guint own = GPOINTER_TO_UINT (g_hash_table_lookup (s->cores, tid));
      guint leaders = GPOINTER_TO_UINT (g_hash_table_lookup (s->cores, pid));

      if (GPOINTER_TO_UINT (pid) == 1 || (tid == pid && own == NO_FILTER)) /* an ended one */
        continue;
      if (!check_filter (s, GPOINTER_TO_UINT (tid), own, leaders, error))
        return FALSE;
    }
  return TRUE;
}

gboolean
image_cross_tasks (ImageSet *s, GError **error)
{
  if (!s->have_inventory || g_hash_table_size (s->processes) == 0)
    return image_corrupt (s, error, "the inventory or the process tree is missing");
  return cross_ids (s, error) && cross_cores (s, error) && cross_filters (s, error);
}

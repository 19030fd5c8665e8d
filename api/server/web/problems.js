// What is wrong with a station, in words: judged from its status alone, so that
// every node's page says the same.

// How long, in ms, something may be so before it is called a problem: a planned
// move passes through all of these states.
const patience = 3000;

// How many of a kind are named one by one.
const named = 6;

// Memory of when a condition was first seen, and of how backlogs went.
export class Watch {
  #since = new Map();
  #backlogs = new Map();

  // lasting tells whether a condition has held for longer than patience.
  #lasting(key, holds, now) {
    if (!holds) {
      this.#since.delete(key);
      return false;
    }
    if (!this.#since.has(key)) this.#since.set(key, now);
    return now - this.#since.get(key) >= patience;
  }

  // growth is by how many events a second a group's backlog grew lately; 0 if it
  // shrank at any time meanwhile.
  #growth(key, backlog, now) {
    const list = this.#backlogs.get(key) ?? [];
    list.push({now, backlog});
    while (list.length > 2 && now - list[0].now > 10_000) list.shift();
    this.#backlogs.set(key, list);
    const span = now - list[0].now;
    const grew = list.every((x, i) => i === 0 || x.backlog >= list[i - 1].backlog);
    return grew && span >= patience ? (backlog - list[0].backlog) * 1000 / span : 0;
  }

  // judge returns the problems of a status, worst first, as {level, text}, and
  // notes in the rows of RTUs and uplinks how bad they are.
  judge(status, now) {
    const problems = [];
    const say = (level, text) => problems.push({level, text});

    if (!status.quorum) say('bad', `No quorum: ${status.node} hears of no leader that a majority of the nodes follows. Nothing is collected, forwarded or operated.`);
    else if (!status.leader) say('bad', `No leader: nothing can be decided.`);
    this.#nodes(status, now, say);
    this.#rtus(status, now, say);
    this.#uplinks(status, now, say);

    const rank = {bad: 0, warn: 1, note: 2};
    return problems.sort((a, b) => rank[a.level] - rank[b.level]);
  }

  #nodes(status, now, say) {
    for (const n of status.nodes) {
      if (!n.alive && status.quorum) say(n.role === 'fep' ? 'bad' : 'warn', `${n.role === 'fep' ? 'FEP' : 'Witness'} ${n.id} is dead: ${n.role === 'fep' ? 'no other FEP can take over' : 'the loss of one more node stops the station'}.`);
      else if (this.#lasting(`lease ${n.id}`, n.role === 'fep' && !n.lease && status.quorum, now)) say('bad', `${n.id} has no lease: it may run no link.`);
      if (n.config_differs) say('warn', `The configuration of ${n.id} differs from the leader's: it is given nothing that its own lacks.`);
    }
    const builds = new Set(status.nodes.filter((n) => n.alive && n.build).map((n) => n.build));
    if (builds.size > 1) say('note', `The nodes run different versions: ${[...builds].join(', ')}.`);
  }

  #rtus(status, now, say) {
    const groups = {offline: [], unowned: [], inactive: [], unreachable: [], down: [], pinned: []};
    const feps = status.nodes.filter((n) => n.role === 'fep' && n.alive).map((n) => n.id);
    for (const r of status.rtus) {
      const links = r.channels.flatMap((c) => c.links);
      const on = (fep, state) => links.some((l) => l[fep] === state);
      const up = (fep) => on(fep, 'active') || on(fep, 'standby');
      const other = feps.find((f) => f !== r.owner);
      r.level = '';
      if (!r.online) {
        groups.offline.push(r);
        r.level = 'bad';
      } else if (this.#lasting(`unowned ${r.number}`, !r.owner, now)) {
        groups.unowned.push(r);
        r.level = 'bad';
      } else if (this.#lasting(`inactive ${r.number}`, r.owner && !on(r.owner, 'active'), now)) {
        groups.inactive.push(r);
        r.level = 'bad';
      } else if (this.#lasting(`unreachable ${r.number}`, other && !up(other), now)) {
        groups.unreachable.push(r);
        r.level = 'warn';
      } else if (this.#lasting(`down ${r.number}`, links.some((l) => l[r.owner] === 'down'), now)) {
        groups.down.push(r);
        r.level = 'warn';
      }
      if (r.pinned) groups.pinned.push(r);
    }
    const tell = (list, level, text) => {
      if (list.length > 0) say(level, `${text}: ${rtuNames(list)}.`);
    };
    tell(groups.offline, 'bad', 'Offline, on no channel of either FEP');
    tell(groups.unowned, 'bad', 'Owned by no FEP');
    tell(groups.inactive, 'bad', 'No link is active');
    tell(groups.unreachable, 'warn', 'Can\'t be reached from the other FEP, which could not take over');
    tell(groups.down, 'warn', 'A link is down');
    tell(groups.pinned, 'note', 'Pinned by an operator, so not moved by themselves');
  }

  #uplinks(status, now, say) {
    const feps = status.nodes.filter((n) => n.role === 'fep' && n.alive);
    for (const u of status.uplinks) {
      const name = `${u.name}/${u.group}`;
      const live = u.links.filter((l) => l.role === 'main' || (u.mode === 'dual-active' && l.role !== 'held'));
      const growth = this.#growth(name, u.backlog, now);
      u.level = '';
      if (this.#lasting(`unconnected ${name}`, live.length === 0, now)) {
        u.level = 'bad';
        say('bad', `Control centre ${name} is not connected: ${u.backlog} events wait.`);
      } else if (u.backlog >= 100 && growth > 0) {
        u.level = 'bad';
        say('bad', `Control centre ${name} falls behind: ${u.backlog} events wait, ${growth.toFixed(growth < 10 ? 1 : 0)} more each second.`);
      } else if (this.#lasting(`single ${name}`, u.mode !== 'exclusive' && feps.length > 1 && u.links.length < 2, now)) {
        u.level = 'warn';
        say('warn', `Control centre ${name} has a link to one FEP only.`);
      }
      if (u.dropped > 0) {
        if (u.level !== 'bad') u.level = 'warn';
        say('warn', `${u.dropped} events were dropped before control centre ${name} had acknowledged them.`);
      }
    }
  }
}

function rtuNames(list) {
  const names = list.slice(0, named).map((r) => r.name ? `RTU ${r.number} (${r.name})` : `RTU ${r.number}`);
  return names.join(', ') + (list.length > named ? ` and ${list.length - named} more` : '');
}

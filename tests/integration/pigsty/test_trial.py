import logging, time, sys
logging.basicConfig(level=logging.INFO, format="%(message)s")
from tasks.step import converge
from tasks import bootstrap, configure, install, docker, pgsql, redis, portal, hosts
def test_trial(make_pigsty_double):
    double = make_pigsty_double(*(sys.argv and []))
    double_site = double.site(portal={"domain": "dify.pigsty"})
    site = double_site
    for rnd in (1, 2):
        for build in (bootstrap.bootstrap_steps, configure.configure_steps, install.install_steps, docker.docker_steps, pgsql.pgsql_steps, redis.redis_steps, portal.portal_steps, hosts.hosts_steps):
            for part in build(site):
                t=time.time()
                if rnd == 2:
                    ch = part.plan(part.observe())
                    print("second", part.name, type(part).__name__, [c.what for c in ch], round(time.time()-t,2))
                    assert not ch
                    continue
                out = converge(part)
                print("==", part.name, type(part).__name__, [c.what for c in out.changes], round(time.time()-t,2))
    print((double.tree/"pigsty.yml").read_text())

from tasks.tools.sockets import established

# Recorded in a container whose program listens on port 5001.
TEXT = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:1389 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1001        0 31337 1
   1: 03001FAC:1389 05001FAC:C35A 01 00000000:00000000 00:00000000 00000000  1001        0 31340 1
   2: 03001FAC:1389 05001FAC:C35C 06 00000000:00000000 03:00001737 00000000     0        0 0 3
   3: 03001FAC:C001 01001FAC:1538 01 00000000:00000000 00:00000000 00000000  1001        0 31338 1
"""


def test_open_connections_to_the_port_count_alone() -> None:
    assert established(TEXT, 5001) == ["05001FAC:C35A"]
    assert established(TEXT, 3000) == []
    assert established("", 5001) == []

;; A well-behaved guest: makes three records of each: its value, its value without the first byte, and its value again.
;; Key, headers and timestamp are kept. A value that is empty or null traps.
;; Memory: outputs at 1024; arrays of 64 KiB each from 64 KiB; data from 1 MiB, the input buffer from 8 MiB.
(module
  (memory (export "memory") 129)
  (func (export "edgemill_alloc") (param $size i32) (result i32)
    (local $pages i32)
    (local.set $pages (i32.sub
      (i32.shr_u (i32.add (i32.add (i32.const 0x800000) (local.get $size)) (i32.const 0xffff)) (i32.const 16))
      (memory.size)))
    (if (i32.gt_s (local.get $pages) (i32.const 0))
      (then (if (i32.eq (memory.grow (local.get $pages)) (i32.const -1)) (then (return (i32.const 0))))))
    (i32.const 0x800000))
  (func (export "edgemill_configure") (param i32 i32) (result i32) (i32.const 0))

  (global $rows (mut i32) (i32.const 0))
  (global $end (mut i32) (i32.const 0))
  (func $row (param $origin i32) (param $from i32) (param $size i32)
    (local $at i32)
    (local.set $at (i32.shl (global.get $rows) (i32.const 2)))
    (i32.store (i32.add (i32.const 0x10000) (local.get $at)) (local.get $origin))
    (i32.store (i32.add (i32.const 0x20000) (local.get $at)) (local.get $size))
    (memory.copy (global.get $end) (local.get $from) (local.get $size))
    (global.set $rows (i32.add (global.get $rows) (i32.const 1)))
    (global.set $end (i32.add (global.get $end) (local.get $size))))

  (func (export "edgemill_transform_1_0_0") (param $batch i32) (result i32)
    (local $count i32) (local $i i32) (local $lengths i32) (local $data i32) (local $size i32)
    (local.set $count (i32.load (local.get $batch)))
    (if (i32.gt_u (local.get $count) (i32.const 5000)) (then unreachable))
    (global.set $rows (i32.const 0))
    (global.set $end (i32.const 0x100000))
    (local.set $lengths (i32.load offset=36 (local.get $batch)))
    (local.set $data (i32.load offset=40 (local.get $batch)))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $i) (local.get $count)))
        (local.set $size (i32.load (i32.add (local.get $lengths) (i32.shl (local.get $i) (i32.const 2)))))
        (if (i32.lt_s (local.get $size) (i32.const 1)) (then unreachable))
        (call $row (local.get $i) (local.get $data) (local.get $size))
        (call $row (local.get $i) (i32.add (local.get $data) (i32.const 1)) (i32.sub (local.get $size) (i32.const 1)))
        (call $row (local.get $i) (local.get $data) (local.get $size))
        (local.set $data (i32.add (local.get $data) (local.get $size)))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $next)))
    (i32.store (i32.const 1024) (global.get $rows))
    (i32.store (i32.const 1028) (i32.const 0x10000)) ;; origins
    (i32.store (i32.const 1048) (i32.const 0x20000)) ;; values: lengths, data, size
    (i32.store (i32.const 1052) (i32.const 0x100000))
    (i32.store (i32.const 1056) (i32.sub (global.get $end) (i32.const 0x100000)))
    (i32.const 1024)))

;; A well-behaved guest: keeps every record, and sends it to the topic that its key names; a record without key, or with an
;; empty one, goes to the default.
;; Memory: outputs at 1024; arrays of 64 KiB each from 64 KiB; the input buffer from 1 MiB. At most 8,192 records a batch.
(module
  (memory (export "memory") 17)
  (func (export "edgemill_alloc") (param $size i32) (result i32)
    (local $pages i32)
    (local.set $pages (i32.sub
      (i32.shr_u (i32.add (i32.add (i32.const 0x100000) (local.get $size)) (i32.const 0xffff)) (i32.const 16))
      (memory.size)))
    (if (i32.gt_s (local.get $pages) (i32.const 0))
      (then (if (i32.eq (memory.grow (local.get $pages)) (i32.const -1)) (then (return (i32.const 0))))))
    (i32.const 0x100000))
  (func (export "edgemill_configure") (param i32 i32) (result i32) (i32.const 0))
  (func (export "edgemill_transform_1_0_0") (param $batch i32) (result i32)
    (local $count i32) (local $i i32) (local $i4 i32) (local $length i32)
    (local.set $count (i32.load (local.get $batch)))
    (if (i32.gt_u (local.get $count) (i32.const 8192)) (then unreachable))
    (i32.store (i32.const 1024) (local.get $count))
    (i32.store (i32.const 1028) (i32.const 0x10000)) ;; origins
    (i32.store (i32.const 1092) (i32.const 0x20000)) ;; routes
    (i32.store (i32.const 1096) (local.get $count))  ;; route_count: a name for each record
    (i32.store (i32.const 1100) (i32.const 0x30000)) ;; route_names: lengths, and the keys' own data
    (i32.store (i32.const 1104) (i32.load offset=28 (local.get $batch)))
    (i32.store (i32.const 1108) (i32.load offset=32 (local.get $batch)))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $i) (local.get $count)))
        (local.set $i4 (i32.shl (local.get $i) (i32.const 2)))
        (i32.store (i32.add (i32.const 0x10000) (local.get $i4)) (local.get $i))
        (local.set $length (i32.load (i32.add (i32.load offset=24 (local.get $batch)) (local.get $i4))))
        (if (i32.lt_s (local.get $length) (i32.const 0)) (then (local.set $length (i32.const 0))))
        (i32.store (i32.add (i32.const 0x30000) (local.get $i4)) (local.get $length))
        (i32.store16 (i32.add (i32.const 0x20000) (i32.shl (local.get $i) (i32.const 1)))
          (select (i32.add (local.get $i) (i32.const 1)) (i32.const 0) (local.get $length)))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $next)))
    (i32.const 1024)))

-- Read by the dashboard.
CREATE VIEW "class_overview" AS
SELECT "classes"."id" AS "class_id",
       "classes"."name" AS "class_name",
       count("students"."id") AS "students"
  FROM "classes"
  LEFT JOIN "students" ON "students"."class_id" = "classes"."id"
 GROUP BY "classes"."id", "classes"."name";

from django.contrib import admin

from .models import Feedback, Product


@admin.register(Product)
class ProductAdmin(admin.ModelAdmin):
    list_display = ["sku", "name", "grams", "stock"]
    search_fields = ["sku", "name"]


@admin.register(Feedback)
class FeedbackAdmin(admin.ModelAdmin):
    list_display = ["name", "text", "sent"]
